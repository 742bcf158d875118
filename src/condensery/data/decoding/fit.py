"""Bring an image to a square: resize the shorter side, then crop the centre.

Knows nothing about files.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from condensery.errors import DataError

__all__ = ["check_size", "fit", "fit_all"]


def check_size(size: object) -> None:
    """Refuse a side that is no positive whole number.

    Raises:
        DataError: If it is not.
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise DataError(
            f"--image-size {size!r} (image_size=): the side of an image is a whole number of "
            "pixels, such as 32."
        )


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize so that the shorter side is ``size`` (bilinear, antialiased), then crop the centre.

    Args:
        image: Mode ``L`` or ``RGB``.
        size: Height and width of the result, in pixels. A square of that side is left as it is.
    """
    width, height = image.size
    shorter = min(width, height)
    if shorter != size:
        width, height = round(width * size / shorter), round(height * size / shorter)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if width == height:
        return image
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


def fit_all(
    images: UInt8[Tensor, "image channel height width"], size: int
) -> UInt8[Tensor, "image channel {size} {size}"]:
    """Apply ``fit`` to images of one side; the same pixels as reading them from image files."""
    if images.shape[2:] == (size, size):
        return images
    fitted = torch.empty((*images.shape[:2], size, size), dtype=torch.uint8)
    for position, image in enumerate(images):
        array = image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
        square = np.array(fit(Image.fromarray(np.ascontiguousarray(array)), size))
        fitted[position] = torch.from_numpy(square.reshape(size, size, -1)).permute(2, 0, 1)
    return fitted
