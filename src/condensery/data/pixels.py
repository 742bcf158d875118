"""Arrays of pixels, in the layouts people keep them, become ``uint8`` NCHW.

Knows nothing about labels or files.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from condensery.errors import DataError

__all__ = ["as_bytes", "channels_first"]

_CHANNELS = (1, 3)
_BLOCK = 1024  # images converted at a time, so that floats are never all held twice


def channels_first(images: Tensor, *, title: str) -> Tensor:
    """Bring NHW, NCHW or NHWC to NCHW; only 1 and 3 are numbers of channels.

    An array that could be either (such as ``[100, 3, 9, 3]``) is read as NCHW.

    Raises:
        DataError: If the shape is none of these, or an axis is empty.
    """
    shape = tuple(images.shape)
    if 0 in shape or len(shape) not in (3, 4):
        what = "an empty axis" if 0 in shape else f"{len(shape)} axes"
        raise DataError(
            f"{title}: images of shape {shape} have {what}. Give [image, height, width], "
            "[image, channel, height, width] or [image, height, width, channel]."
        )
    if len(shape) == 3:
        return images[:, None]
    if shape[1] in _CHANNELS:
        return images
    if shape[3] in _CHANNELS:
        return images.permute(0, 3, 1, 2)
    raise DataError(
        f"{title}: images of shape {shape} have no axis of 1 or 3 channels in second or last "
        "place. Give grey (1) or colour (3) images as NCHW or NHWC."
    )


def as_bytes(images: Tensor | np.ndarray, *, title: str) -> UInt8[Tensor, "..."]:
    """Return ``uint8`` pixels, a copy; floats in [0, 1] are rounded to the nearest of 256 levels.

    Args:
        images: Any shape, ``uint8`` or floating point.
        title: How the error calls them.

    Raises:
        DataError: If the type is another one, or a float is NaN, infinite or outside [0, 1].
    """
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise _unsupported(str(images.dtype), title)
        known = images.dtype.itemsize <= 8  # torch has no longer floats
        native = images.dtype.newbyteorder("=") if known else np.dtype(np.float64)
        images = torch.from_numpy(images.astype(native))
    if images.dtype == torch.uint8:
        return images.detach().cpu().clone()
    if not images.is_floating_point():
        raise _unsupported(str(images.dtype).removeprefix("torch."), title)
    images = images.detach().cpu()
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    if not images.numel():
        return pixels
    low, high = (float(end) for end in images.aminmax())  # NaN if any value is
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            f"{title}: some pixel values are NaN or infinite. Images must be finite: uint8, or "
            "floats in [0, 1]."
        )
    if low < 0 or high > 1:
        raise DataError(
            f"{title}: float pixels run from {low:g} to {high:g}, outside [0, 1]. "
            "Divide by 255, or leave normalisation out: it is done later."
        )
    for given, block in zip(images.split(_BLOCK), pixels.split(_BLOCK), strict=True):
        exact = given if given.dtype == torch.float64 else given.to(torch.float32)
        block.copy_((exact * 255).round())
    return pixels


def _unsupported(dtype: str, title: str) -> DataError:
    return DataError(
        f"{title}: images of type {dtype} have no agreed scale. "
        "Give uint8 (0 to 255) or floats in [0, 1]."
    )
