"""A kernel: a number for every pair of images, in closed form and in float64.

Knows nothing about labels, losses or which images are real.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Kernel", "vectors"]


class Kernel(Protocol):
    """How alike images are."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What an observation calls it, such as ``"ntk-fc1"``."""
        ...

    @abstractmethod
    def __call__(
        self, left: Float[Tensor, "left ..."], right: Float[Tensor, "right ..."]
    ) -> Float[Tensor, "left right"]:
        """The kernel of every pair, float64; differentiable in both, also where they are equal.

        Args:
            left: Images as they are shown (normalised); all dimensions but the first are entries.
            right: As ``left``, with as many entries.
        """
        ...


def vectors(images: Tensor) -> Float[Tensor, "image entry"]:
    """Images as rows in float64: differences of nearly equal kernel values decide a regression."""
    return images.flatten(1).to(torch.float64)
