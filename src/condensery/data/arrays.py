"""Arrays or tensors ``(images, labels)`` in memory."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from condensery.data.labels import as_labels
from condensery.data.pixels import as_bytes, channels_first
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["part", "read"]


def read(images: object, labels: object) -> Source:
    """Read ``(images, labels)``; see ``part``."""
    return Source(title="arrays", train=part(images, labels, title="arrays"))


def part(images: object, labels: object, *, title: str) -> Part:
    """Make one split of images and labels.

    Args:
        images: NumPy array or tensor, NHW, NCHW or NHWC, ``uint8`` or floats in [0, 1].
        labels: Integers from 0, one an image.
        title: How errors call them.

    Raises:
        DataError: If either cannot be read so, or they disagree in number.
    """
    if not isinstance(images, (np.ndarray, Tensor)):
        raise DataError(
            f"{title}: images are a {type(images).__name__}, but only NumPy arrays and torch "
            "tensors are read. Stack them into one array first."
        )
    pixels = channels_first(as_bytes(images, title=title), title=title).contiguous()
    return Part(images=pixels, labels=as_labels(labels, images=len(pixels), title=title))
