"""Gradient descent with momentum on the stored images.

The velocity is part of the state of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.updates.base import ImageUpdate
from condensery.errors import ConfigError
from condensery.registry import register


@register("update", "sgd")
@dataclass(frozen=True, slots=True, kw_only=True)
class SGD(ImageUpdate):
    """``v <- momentum * v + gradient``; ``images <- images - lr * v``.

    Attributes:
        lr: Learning rate in units of the [0, 1] pixel range, > 0.
        momentum: In [0, 1). Frozen pixels have no velocity.
    """

    lr: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise ConfigError(
                f"update.lr = {self.lr}: the images need a finite learning rate above 0."
            )
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"update.momentum = {self.momentum} is outside [0, 1).")

    def init(self, images: Tensor) -> dict[str, Tensor]:
        """See ``ImageUpdate.init``."""
        return {"velocity": torch.zeros_like(images)}

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
        del remaining
        # New tensors are changed in place: a set of many classes takes gigabytes.
        velocity = (self.momentum * state["velocity"]).add_(gradient).masked_fill_(frozen, 0)
        moved = self.lr * velocity
        torch.sub(images, moved, out=moved)
        torch.where(frozen, images, moved, out=moved)
        return moved, {"velocity": velocity}


def sgd_for_all_classes(*, lr: float, momentum: float, classes: int) -> SGD:
    """One step for all classes that equals the steps for single classes of the released codes.

    The released codes of IDC and MDC step one class after the other with one momentum buffer for
    all classes, so that the momentum of a class decays ``classes`` times between two of its steps.
    For each class this equals one step with momentum ``m^C`` and learning rate
    ``lr (1 - m^C) / (1 - m)``. With ten classes and ``m = 0.5`` it is nearly plain descent with
    twice the learning rate.
    """
    decay = momentum**classes
    return SGD(lr=lr * (1 - decay) / (1 - momentum), momentum=decay)
