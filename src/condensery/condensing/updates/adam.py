"""Adam on the stored images: a learning rate in pixels, whatever the scale of the loss.

A value goes in, a value comes out: the moments are part of the run's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.updates.base import ImageUpdate
from condensery.errors import ConfigError
from condensery.registry import register

__all__ = ["Adam"]


@register("update", "adam")
@dataclass(frozen=True, slots=True, kw_only=True)
class Adam(ImageUpdate):
    """Adam with bias correction; frozen pixels keep their bits and gather no moments.

    A matching loss and its curvature change by orders of magnitude with the size of the set (an
    image weighs 1/n in the mean gradient of n), the data and the age of the network. Adam's step
    does not, so one learning rate serves every size of a nested set and every data set.

    Attributes:
        lr: Learning rate in units of the [0, 1] pixel range, > 0.
        momentum: Decay of the mean gradient, in [0, 1).
        decay: Decay of the mean squared gradient, in [0, 1).
        final_drop: One in so many steps of a run, at its end, has a fifth of ``lr``, so that the
            images come to rest; 0: none. A run that its time budget ends earlier has no drop.
        epsilon: Added to the root, > 0; relative to nothing, so far below any gradient.

    Source:
        Kingma & Ba 2015, *Adam*, Algorithm 1. Differs: frozen pixels.
    """

    lr: float
    momentum: float = 0.9
    decay: float = 0.99
    final_drop: int = 0
    epsilon: float = 1e-12

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise ConfigError(
                f"update.lr = {self.lr}: the images need a finite learning rate above 0."
            )
        for name in ("momentum", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"update.{name} = {getattr(self, name)} is outside [0, 1).")
        if self.final_drop < 0:
            raise ConfigError(
                f"update.final_drop = {self.final_drop}, but it must be 0 (never) or more."
            )
        if not self.epsilon > 0:
            raise ConfigError(f"update.epsilon = {self.epsilon}, but it must be above 0.")

    def init(self, images: Tensor) -> dict[str, Tensor]:
        """See ``ImageUpdate.init``."""
        zeros = torch.zeros_like(images)
        return {"mean": zeros, "square": zeros.clone(), "steps": torch.zeros(())}

    def step(
        self,
        images: Tensor,
        gradient: Tensor,
        state: Mapping[str, Tensor],
        *,
        frozen: Tensor,
        remaining: float = 1.0,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See ``ImageUpdate.step``."""
        steps = state["steps"] + 1
        mean = torch.lerp(gradient, state["mean"], self.momentum).masked_fill(frozen, 0)
        square = torch.lerp(gradient.square(), state["square"], self.decay).masked_fill(frozen, 0)
        unbiased = mean / (1 - self.momentum**steps)
        root = (square / (1 - self.decay**steps)).sqrt()
        dropped = self.final_drop > 0 and remaining <= 1 / self.final_drop
        lr = self.lr / 5 if dropped else self.lr
        moved = torch.where(frozen, images, images - lr * unbiased / (root + self.epsilon))
        return moved, {"mean": mean, "square": square, "steps": steps}
