"""Augmentation of normalised images, with shared or with own parameters; and CutMix."""

from __future__ import annotations

from condensery.augment.base import Augment, Augmentation
from condensery.augment.cutmix import Mixed, cutmix
from condensery.augment.photo import PhotoPerExample
from condensery.augment.views import Identity, PerExample, Siamese

__all__ = [
    "Augment",
    "Augmentation",
    "Identity",
    "Mixed",
    "PerExample",
    "PhotoPerExample",
    "Siamese",
    "cutmix",
]
