"""Adam on the stored images: a step size in pixels, whatever the scale of the loss.

A value goes in, a value comes out: the moments are part of the run's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.errors import ConfigError

__all__ = ["Adam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Adam with bias correction; held pixels keep their bits and gather no moments.

    A matching loss and its curvature change by orders of magnitude with the size of the set (an
    image weighs 1/n in the mean gradient of n), the data and the age of the network. Adam's step
    does not, so one step size serves every size of a nested set and every data set.

    Attributes:
        lr: Step size in units of the [0, 1] pixel range, > 0.
        momentum: Decay of the mean gradient, in [0, 1).
        decay: Decay of the mean squared gradient, in [0, 1).
        settle: The last one in ``settle`` steps of a run are a fifth as long, so that the images
            come to rest; 0: none. A run that its time budget ends before has not settled.
        epsilon: Added to the root, > 0; relative to nothing, so far below any gradient.

    Source:
        Kingma & Ba 2015, *Adam*, Algorithm 1. Differs: held pixels.
    """

    lr: float
    momentum: float = 0.9
    decay: float = 0.99
    settle: int = 0
    epsilon: float = 1e-12

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise ConfigError(f"update.lr = {self.lr}: the images need a finite step size above 0.")
        for name in ("momentum", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"update.{name} = {getattr(self, name)} is outside [0, 1).")
        if self.settle < 0:
            raise ConfigError(f"update.settle = {self.settle}, but it must be 0 (never) or more.")
        if not self.epsilon > 0:
            raise ConfigError(f"update.epsilon = {self.epsilon}, but it must be above 0.")

    def start(self, images: Tensor) -> dict[str, Tensor]:
        """See ``ImageUpdate.start``."""
        zeros = torch.zeros_like(images)
        return {"mean": zeros, "square": zeros.clone(), "steps": torch.zeros(())}

    def step(
        self,
        images: Tensor,
        gradient: Tensor,
        state: Mapping[str, Tensor],
        *,
        held: Tensor,
        remaining: float = 1.0,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See ``ImageUpdate.step``."""
        steps = state["steps"] + 1
        mean = torch.lerp(gradient, state["mean"], self.momentum).masked_fill(held, 0)
        square = torch.lerp(gradient.square(), state["square"], self.decay).masked_fill(held, 0)
        unbiased = mean / (1 - self.momentum**steps)
        root = (square / (1 - self.decay**steps)).sqrt()
        settling = self.settle > 0 and remaining <= 1 / self.settle
        lr = self.lr / 5 if settling else self.lr
        moved = torch.where(held, images, images - lr * unbiased / (root + self.epsilon))
        return moved, {"mean": mean, "square": square, "steps": steps}
