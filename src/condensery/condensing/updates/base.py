"""How a gradient changes what is stored, and what is learned besides the images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from condensery.types import Examples

__all__ = ["ImageUpdate", "Learned"]


class ImageUpdate(Protocol):
    """One step on what is stored. Its state goes in and out, so an update is a value."""

    @abstractmethod
    def init(self, images: Tensor) -> dict[str, Tensor]:
        """The update's state before the first step."""
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
            images: What is stored, ``[row, channel, height, width]``, or another tensor.
            gradient: Of the summed losses, same shape.
            state: From ``init`` or the step before.
            frozen: Entries whose bits must not change, boolean, broadcastable to ``images``.
            remaining: Share of the run's steps that is left, this one included, in (0, 1].
        """
        ...


class Learned(Protocol):
    """Something that a run learns besides its images: labels, or a learning rate."""

    @property
    def update(self) -> ImageUpdate:
        """How a gradient changes it."""
        ...

    def init(self, stored: Examples, *, classes: int) -> Examples:
        """The same images with the first value of what is learned."""
        ...

    def project(self, stored: Examples) -> Examples:
        """The same images with what is learned brought back to where it may be."""
        return stored
