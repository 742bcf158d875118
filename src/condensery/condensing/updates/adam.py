"""Adam on the stored images: a learning rate in pixels that does not depend on the loss scale.

The moments are part of the state of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.updates.base import ImageUpdate
from condensery.errors import ConfigError
from condensery.registry import register


@register("update", "adam")
@dataclass(frozen=True, slots=True, kw_only=True)
class Adam(ImageUpdate):
    """Adam with bias correction; frozen pixels keep their bits, and their moments stay zero.

    A matching loss and its curvature change by orders of magnitude with the size of the set (an
    image has the weight 1/n in the mean gradient of n), the data and the training of the network.
    The step of Adam does not, so one learning rate suits every size of a nested set and every
    data set.

    Attributes:
        lr: Learning rate in units of the [0, 1] pixel range, > 0.
        momentum: Decay of the mean gradient, in [0, 1).
        decay: Decay of the mean squared gradient, in [0, 1).
        final_drop: The last ``1 / final_drop`` of the steps has a fifth of ``lr``, so that the
            images converge; 0: no drop. A run that its time budget ends earlier has no drop.
        epsilon: Added to the root, > 0; far below any gradient.

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
        # New tensors are changed in place: a set of many classes takes gigabytes.
        mean = torch.lerp(gradient, state["mean"], self.momentum).masked_fill_(frozen, 0)
        square = gradient.square().lerp_(state["square"], self.decay).masked_fill_(frozen, 0)
        dropped = self.final_drop > 0 and remaining <= 1 / self.final_drop
        moved = (mean / (1 - self.momentum**steps)).mul_(self.lr / 5 if dropped else self.lr)
        moved.div_((square / (1 - self.decay**steps)).sqrt_().add_(self.epsilon))
        torch.sub(images, moved, out=moved)
        torch.where(frozen, images, moved, out=moved)
        return moved, {"mean": mean, "square": square, "steps": steps}
