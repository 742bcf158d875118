"""Which real examples an image update sees.

Knows nothing about losses.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch

from condensery.data import ImageData
from condensery.types import Examples, StepContext

__all__ = ["Draw", "Sampler"]


class Draw(Protocol):
    """The draws of one outer iteration."""

    def __call__(self, context: StepContext, *, rng: torch.Generator) -> Examples:
        """Real examples in [0, 1], rank 0."""
        ...


class Sampler(Protocol):
    """How real examples are drawn. A sampler must implement ``begin``."""

    @abstractmethod
    def begin(self, data: ImageData) -> Draw:
        """The draws of one outer iteration.

        Their state ends with the outer iteration, so that a run can resume at any iteration.
        """
        ...

    def costly_draws(self, updates: int) -> int:
        """Number of draws of an outer iteration that take long, such as a clustering."""
        del updates
        return 0

    def cheap(self) -> Sampler:
        """The sampler without the draws that take long, for measuring the time of the rest."""
        return self
