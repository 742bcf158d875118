"""Data in the shape of a known data set, for choices that depend on nothing but the shape."""

from __future__ import annotations

import torch

from condensery.data.image_data import ImageData
from condensery.data.known import KNOWN

__all__ = ["blank_cifar10"]


def blank_cifar10() -> ImageData:
    """One black image for every class of CIFAR-10, 32 x 32 pixels in colour."""
    known = KNOWN["cifar10"]
    classes = len(known.class_names)
    return ImageData(
        name=known.name,
        images=torch.zeros(classes, 3, 32, 32, dtype=torch.uint8),
        labels=torch.arange(classes),
        class_names=known.class_names,
        mean=known.statistics.mean,
        std=known.statistics.std,
    )
