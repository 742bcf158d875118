"""Quantities that a run may learn besides the images: labels, and a learning rate for training.

Knows nothing about objectives, which decide whether a loss depends on these quantities.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import nn

from condensery.condensing.updates.adam import Adam
from condensery.condensing.updates.base import ImageUpdate
from condensery.condensing.updates.sgd import SGD
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.types import Examples


@register("labels", "learned")
@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLabels:
    """Labels are one number for each class; they start one-hot and follow the gradient.

    They have no fixed range or sum, unless their update gives them one (``OnSimplex``).

    Attributes:
        update: How a gradient changes the labels.
    """

    update: ImageUpdate = field(default_factory=lambda: Adam(lr=0.01))

    def init(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with one-hot labels ``[row, class_]``."""
        labels = nn.functional.one_hot(stored.class_, classes).to(stored.images.dtype)
        return replace(stored, labels=labels)

    def project(self, stored: Examples) -> Examples:
        """The same images: learned labels have no range."""
        return stored


@register("learned_lr", "learned")
@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLR:
    """One learning rate for training on the set.

    Attributes:
        initial: The initial value, > 0.
        minimum: The smallest value, > 0, because training needs a positive learning rate.
        update: How a gradient changes the learning rate.
    """

    initial: float = 0.01
    minimum: float = 1e-5
    update: ImageUpdate = field(default_factory=lambda: SGD(lr=1e-5, momentum=0.5))

    def __post_init__(self) -> None:
        if not 0 < self.minimum <= self.initial < float("inf"):
            raise ConfigError(
                f"learned_lr.initial = {self.initial} and learned_lr.minimum = {self.minimum}: a "
                "learning rate starts at a finite number that is at least learned_lr.minimum, and "
                "learned_lr.minimum is above 0."
            )

    def init(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with the initial learning rate."""
        del classes
        return replace(stored, learned_lr=torch.tensor(self.initial, dtype=stored.images.dtype))

    def project(self, stored: Examples) -> Examples:
        """Keep the learning rate at or above ``minimum``."""
        assert stored.learned_lr is not None
        return replace(stored, learned_lr=stored.learned_lr.clamp(min=self.minimum))
