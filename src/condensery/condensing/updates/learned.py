"""What a run may learn besides the images: their labels, and a learning rate to train with.

Knows nothing about objectives: whether a loss depends on them is the objective's matter.
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

__all__ = ["LearnedLR", "LearnedLabels"]


@register("labels", "learned")
@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLabels:
    """Labels become numbers, one a class, that start one-hot and follow the gradient.

    They are not held to a range or a sum, unless their update does that (``OnSimplex``).

    Attributes:
        update: How a gradient changes them.
    """

    update: ImageUpdate = field(default_factory=lambda: Adam(lr=0.01))

    def init(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with one-hot labels ``[row, class_]``."""
        labels = nn.functional.one_hot(stored.class_, classes).to(stored.images.dtype)
        return replace(stored, labels=labels)

    def project(self, stored: Examples) -> Examples:
        """Labels are free."""
        return stored


@register("learned_lr", "learned")
@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLR:
    """One learning rate for the whole set, which training on it is to use.

    Attributes:
        initial: What it starts at, > 0.
        minimum: It never falls below this, > 0: a step along the gradient would be no training.
        update: How a gradient changes it.
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
        """The same images with the first learning rate."""
        del classes
        return replace(stored, learned_lr=torch.tensor(self.initial, dtype=stored.images.dtype))

    def project(self, stored: Examples) -> Examples:
        """Hold the learning rate above ``minimum``."""
        assert stored.learned_lr is not None
        return replace(stored, learned_lr=stored.learned_lr.clamp(min=self.minimum))
