"""How a gradient changes the stored tensors, and what is learned besides the images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from condensery.types import Examples


class ImageUpdate(Protocol):
    """One step on a stored tensor. Its state goes in and out, so that an update is a value."""

    @abstractmethod
    def init(self, images: Tensor) -> dict[str, Tensor]:
        """The state of the update before the first step."""
        ...

    @abstractmethod
    def step(
        self,
        images: Tensor,
        gradient: Tensor,
        state: Mapping[str, Tensor],
        *,
        frozen: Tensor,
        remaining: float = 1.0,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """New images and new state.

        Args:
            images: The stored images ``[row, channel, height, width]``, or another tensor.
            gradient: Gradient of the summed losses, of the same shape.
            state: The state from ``init`` or from the last step.
            frozen: Entries whose bits must not change, boolean, broadcastable to ``images``.
            remaining: Share of the steps of the run that remain, with this one, in (0, 1].
        """
        ...


class Learned(Protocol):
    """A quantity that a run learns besides its images: labels, or a learning rate."""

    @property
    def update(self) -> ImageUpdate:
        """The update that moves it."""
        ...

    def init(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with the initial value of the learned quantity."""
        ...

    def project(self, stored: Examples) -> Examples:
        """The same images with the learned quantity moved into its allowed range."""
        return stored
