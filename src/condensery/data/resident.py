"""Where the images of a long computation are: on its device, if they fit.

Knows nothing about what is computed.
"""

from __future__ import annotations

import torch

from condensery.data.image_data import ImageData

SHARE = 3
"""Images are moved to a device if they take at most one part in so many of its memory."""


def resident(data: ImageData, device: torch.device | str) -> ImageData:
    """The data with its images, in uint8, on a device that is not the CPU, if they fit.

    Otherwise every batch is copied from the CPU. The values are the same.

    Args:
        data: On the CPU, or on the device already.
        device: The device of the computation.
    """
    device = torch.device(device)
    if device.type == "cpu":
        return data
    memory = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else None
    size = data.images.numel() * data.images.element_size()
    return data.to(device) if memory is None or size * SHARE <= memory else data
