"""How a network is trained on labelled images: the choices and the optimiser of a training.

The caller decides the length of a training and the learning rate of each step.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from condensery.augment import Augment

OptimiserState = list[list[Tensor]]
"""One list for each quantity of the optimiser, with one tensor for each parameter."""


class Training(Protocol):
    """The choices of a training, and the step of its optimiser."""

    @property
    def batch(self) -> int:
        """Images per step, at least 1; a smaller pool is one batch."""
        ...

    @property
    def lr(self) -> float:
        """Learning rate at the start, > 0."""
        ...

    @property
    def augment(self) -> Augment:
        """The augmentation of a batch before the network sees it."""
        ...

    @property
    def cutmix(self) -> float:
        """Probability per batch of CutMix, in [0, 1]."""
        ...

    @abstractmethod
    def init(self, parameters: Sequence[Tensor]) -> OptimiserState:
        """The state of the optimiser before the first step."""
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
            parameters: The parameters with a gradient, at least one.
            gradients: Gradients of the loss, one for each parameter.
            state: The state of these parameters, as ``init`` made it.
            lr: Learning rate of this step.
        """
        ...
