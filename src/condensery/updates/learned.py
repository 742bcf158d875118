"""What a run may learn besides the images: their labels, and a step size to train with.

Knows nothing about objectives: whether a loss depends on them is the objective's matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import nn

from condensery.errors import ConfigError
from condensery.types import Examples
from condensery.updates.adam import Adam
from condensery.updates.base import ImageUpdate
from condensery.updates.sgd import SGD

__all__ = ["LearnedLabels", "LearnedStep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLabels:
    """Labels become numbers, one a class, that start one-hot and follow the gradient.

    They are not held to a range or a sum, unless their update does that (``OnSimplex``).

    Attributes:
        update: How a gradient changes them.
    """

    update: ImageUpdate = field(default_factory=lambda: Adam(lr=0.01))

    def start(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with one-hot labels ``[row, class_]``."""
        labels = nn.functional.one_hot(stored.class_, classes).to(stored.images.dtype)
        return replace(stored, labels=labels)

    def project(self, stored: Examples) -> Examples:
        """Labels are free."""
        return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedStep:
    """One step size for the whole set, that whoever trains on it shall use.

    Attributes:
        first: What it starts at, > 0.
        least: It never falls below this, > 0: a step against the gradient is no training.
        update: How a gradient changes it.
    """

    first: float = 0.01
    least: float = 1e-5
    update: ImageUpdate = field(default_factory=lambda: SGD(lr=1e-5, momentum=0.5))

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.first < float("inf"):
            raise ConfigError(
                f"step.first = {self.first} and step.least = {self.least}: a step size starts at "
                "a finite number that is at least step.least, and step.least is above 0."
            )

    def start(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with a first step size."""
        del classes
        return replace(stored, step=torch.tensor(self.first, dtype=stored.images.dtype))

    def project(self, stored: Examples) -> Examples:
        """Hold the step size above ``least``."""
        assert stored.step is not None
        return replace(stored, step=stored.step.clamp(min=self.least))
