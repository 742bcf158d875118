"""One step on the stored images, whatever gave the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

__all__ = ["ImageUpdate"]


class ImageUpdate(Protocol):
    """One step on the stored images."""

    def start(self, images: Tensor) -> dict[str, Tensor]:
        """The update's state before the first step."""
        ...

    def step(
        self,
        images: Tensor,
        gradient: Tensor,
        state: Mapping[str, Tensor],
        *,
        held: Tensor,
        remaining: float = 1.0,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """New images and new state.

        Args:
            images: Stored images, ``[row, channel, height, width]``.
            gradient: Of the summed losses, same shape.
            state: From ``start`` or the step before.
            held: Pixels whose bits must not change, boolean, broadcastable to ``images``.
            remaining: Share of the run's steps that is left, this one included, in (0, 1].
        """
        ...
