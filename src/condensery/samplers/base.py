"""Which real examples a moment sees.

Does not know what the examples are for.
"""

from __future__ import annotations

from typing import Protocol

import torch

from condensery.data import ImageData
from condensery.types import Examples, Moment

__all__ = ["Draw", "Sampler"]


class Draw(Protocol):
    """The draws of one outer iteration."""

    def __call__(self, moment: Moment, *, rng: torch.Generator) -> Examples:
        """Real examples in [0, 1], rank 0."""
        ...


class Sampler(Protocol):
    """How real examples are drawn."""

    def begin(self, data: ImageData) -> Draw:
        """The draws of one outer iteration.

        What a draw remembers ends with the outer iteration, so that a run can be resumed at any.
        """
        ...
