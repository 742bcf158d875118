"""Which real examples an image update sees.

Does not know what the examples are for.
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
    """How real examples are drawn. A sampler must have ``begin``."""

    @abstractmethod
    def begin(self, data: ImageData) -> Draw:
        """The draws of one outer iteration.

        What a draw remembers ends with the outer iteration, so that a run can be resumed at any.
        """
        ...

    def costly_draws(self, updates: int) -> int:
        """How many of an outer iteration's draws are costly, such as a clustering."""
        del updates
        return 0

    def cheap(self) -> Sampler:
        """The sampler without costly draws, for timing the rest."""
        return self
