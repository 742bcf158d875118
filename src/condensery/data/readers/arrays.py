"""Arrays or tensors ``(images, labels)`` in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from condensery.data.decoding.pixels import as_bytes, channels_first
from condensery.data.decoding.values import Conversion, ValueRange
from condensery.data.labels import as_labels
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["examined", "part", "read"]


def read(images: object, labels: object, *, value_range: ValueRange | None = None) -> Source:
    """Read ``(images, labels)``; see ``part``."""
    values = Conversion(value_range)
    train = part(images, labels, title="arrays", values=values)
    return Source(title="arrays", train=train, notices=values.notices("arrays"))


def part(images: object, labels: object, *, title: str, values: Conversion | None = None) -> Part:
    """Make one split of images and labels.

    Args:
        images: NumPy array or tensor, NHW, NCHW or NHWC; ``uint8`` or floats in [0, 1], with a
            value range any real numbers.
        labels: Integers from 0, one an image.
        title: How errors call them.
        values: The conversion of the source that they belong to; ``None`` is a new one.

    Raises:
        DataError: If either cannot be read so, or they disagree in number.
    """
    if not isinstance(images, (np.ndarray, Tensor)):
        raise DataError(
            f"{title}: images are a {type(images).__name__}, but only NumPy arrays and torch "
            "tensors are read. Stack them into one array first."
        )
    pixels = channels_first(as_bytes(images, title=title, values=values), title=title).contiguous()
    return Part(images=pixels, labels=as_labels(labels, images=len(pixels), title=title))


def examined(source: Source, value_range: ValueRange | None) -> Source:
    """A source of bytes with its values brought to a range, or with the notice that they need one.

    Args:
        source: Read by a reader that knows of no value range.
        value_range: The pixel values that become 0 and 255; ``None`` keeps the bytes.

    Raises:
        DataError: If all pixels become equal.
    """
    values = Conversion(value_range)

    def change(images: Tensor) -> Tensor:
        if value_range is not None:
            return as_bytes(images, title=source.title, values=values)
        for block in images.split(1024):
            values.convert(block.numpy(), "8-bit", stacked=True)
        return images

    return replace(source.mapped(change), notices=source.notices + values.notices(source.title))
