"""A kernel: a number for every pair of images, in closed form and in float64.

Knows nothing about labels, losses or which images are real.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class Kernel(Protocol):
    """A similarity of images."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name in observations, such as ``"ntk-fc1"``."""
        ...

    @abstractmethod
    def __call__(
        self, left: Float[Tensor, "left ..."], right: Float[Tensor, "right ..."]
    ) -> Float[Tensor, "left right"]:
        """The kernel of every pair, float64; differentiable in both, also for equal images.

        Args:
            left: Normalised images; all dimensions except the first are entries.
            right: As ``left``, with equally many entries.
        """
        ...


def vectors(images: Tensor) -> Float[Tensor, "image entry"]:
    """Images as rows, in float64, because regression depends on small differences of kernels."""
    return images.flatten(1).to(torch.float64)
