"""Arrays of pixels, in all usual layouts, become ``uint8`` NCHW."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from condensery.data.decoding.values import Conversion, NoScale
from condensery.errors import DataError

_CHANNELS = (1, 3)
_READ = (
    "uint8 (0 to 255), floats in [0, 1], or other numbers with --value-range LOW,HIGH "
    "(value_range=(low, high))"
)
_BLOCK = 1024  # images converted at a time, so that floats are never all held twice


def channels_first(images: Tensor, *, title: str) -> Tensor:
    """Bring NHW, NCHW or NHWC to NCHW; only 1 and 3 are numbers of channels.

    An array that could be either (such as ``[100, 3, 9, 3]``) is read as NCHW.
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


def as_bytes(
    images: Tensor | np.ndarray, *, title: str, values: Conversion
) -> UInt8[Tensor, "..."]:
    """Return ``uint8`` pixels, a copy; floats in [0, 1] are rounded to the nearest of 256 levels.

    With a value range, ``images`` are ``[image, ...]`` of any real type.
    """
    tensor = _plain(images, title=title)
    pixels = torch.empty(tensor.shape, dtype=torch.uint8)
    if not tensor.numel():
        return pixels
    floating = tensor.is_floating_point()
    kind = "8-bit" if tensor.dtype == torch.uint8 else "float" if floating else _name(tensor)
    if kind != "8-bit":
        low, high, whole = _extent(tensor)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(
                f"{title}: some pixel values are NaN or infinite. Images must be finite: {_READ}."
            )
        if values.value_range is None and (not floating or low < 0 or high > 1):
            what = "float pixels" if floating else f"pixels of type {_name(tensor)}"
            raise NoScale(what, low, high, whole=whole, title=title)
    for given, block in zip(_blocks(tensor), pixels.split(_BLOCK), strict=True):
        block.copy_(torch.from_numpy(values.convert(given, kind, stacked=True)))
    return pixels


def _plain(images: Tensor | np.ndarray, *, title: str) -> Tensor:
    """A dense tensor of real numbers in the memory of the CPU."""
    if isinstance(images, np.ndarray):
        if images.dtype.kind not in "fiub":
            raise _no_numbers(str(images.dtype), title)
        known = images.dtype.itemsize <= 8  # torch has no longer floats
        native = images.dtype.newbyteorder("=") if known else np.dtype(np.float64)
        plain = np.require(images, dtype=native, requirements=["C", "W"])
        return torch.from_numpy(plain)
    if images.is_complex() or images.is_quantized or images.layout is not torch.strided:
        layout = str(images.layout).removeprefix("torch.")
        raise _no_numbers(f"{_name(images)}, layout {layout},", title)
    if images.is_meta:
        raise _no_numbers("a tensor on the device 'meta', which", title)
    return images.detach().cpu()


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _blocks(tensor: Tensor) -> Iterator[np.ndarray]:
    """Some images at a time; floats as ``float32`` or ``float64``."""
    for block in tensor.split(_BLOCK):
        short = block.is_floating_point() and block.dtype != torch.float64
        yield (block.to(torch.float32) if short else block).numpy()


def _extent(tensor: Tensor) -> tuple[float, float, bool]:
    """The lowest and the highest value, NaN if any is; and whether all are whole numbers."""
    low, high, whole = math.inf, -math.inf, True
    for block in _blocks(tensor):
        lowest, highest = float(block.min()), float(block.max())
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            return lowest, highest, False
        low, high = min(low, lowest), max(high, highest)
        whole = whole and (block.dtype.kind != "f" or bool((block == np.rint(block)).all()))
    return low, high, whole


def _no_numbers(what: str, title: str) -> DataError:
    return DataError(f"{title}: images of type {what} are not dense real numbers. Give {_READ}.")
