"""How a network is trained on labelled images: the choices and the optimiser of a training.

How long a training goes on, and with which learning rate at which step, is the caller's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from condensery.augment import Augment

__all__ = ["OptimiserState", "Training"]

OptimiserState = list[list[Tensor]]
"""One list a quantity that the optimiser keeps, one tensor a parameter."""


class Training(Protocol):
    """The choices of one training, and what its optimiser does with a gradient."""

    @property
    def batch(self) -> int:
        """Images per step, at least 1; a smaller pool is taken whole."""
        ...

    @property
    def lr(self) -> float:
        """Learning rate at the start, > 0."""
        ...

    @property
    def augment(self) -> Augment:
        """What a batch goes through before the network sees it."""
        ...

    @property
    def cutmix(self) -> float:
        """Probability per batch of CutMix, in [0, 1]."""
        ...

    @abstractmethod
    def init(self, parameters: Sequence[Tensor]) -> OptimiserState:
        """The optimiser's state before the first step."""
        ...

    @abstractmethod
    def update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: OptimiserState,
        *,
        lr: float,
    ) -> None:
        """One step of the optimiser, in place and without a graph.

        Args:
            parameters: Those that have a gradient, at least one.
            gradients: Of the loss, one a parameter.
            state: As ``init`` made it, of these parameters.
            lr: Learning rate of this step.
        """
        ...
