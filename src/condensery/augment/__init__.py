"""Augmentation of normalised images: shared by all, or drawn per image; and CutMix."""

from __future__ import annotations

from condensery.augment.cutmix import Mixed, cutmix
from condensery.augment.photo import PhotoPerExample
from condensery.augment.views import Augmentation, Identity, PerExample, Siamese

__all__ = [
    "Augmentation",
    "Identity",
    "Mixed",
    "PerExample",
    "PhotoPerExample",
    "Siamese",
    "cutmix",
]
