"""The choices of one SGD training: batch, step size, augmentation.

Knows nothing about how long it goes on, or with which step size at which step: that is the
schedule of whoever trains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from condensery.augment import Augment, PerExample
from condensery.errors import ConfigError
from condensery.registry import register

__all__ = ["SGDTraining"]

_COLOR_CROP = PerExample(strategy="color_crop")


@register("training", "sgd")
@dataclass(frozen=True, slots=True, kw_only=True)
class SGDTraining:
    """SGD with momentum on augmented, CutMixed batches; the defaults are IDC's network update.

    Attributes:
        batch: Images per step, at least 1; a smaller pool is taken whole.
        lr: Step size at the start, > 0.
        momentum: In [0, 1).
        weight_decay: L2 penalty on every parameter, >= 0.
        augment: What a batch goes through before the network sees it.
        cutmix: Probability per batch of CutMix, in [0, 1].
    """

    batch: int = 64
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    augment: Augment = _COLOR_CROP
    cutmix: float = 0.5

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"batch = {self.batch}, but a step needs at least 1 image.")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ConfigError(f"lr = {self.lr}, but the step size must be a number above 0.")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum = {self.momentum}, but it must be at least 0 and below 1.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigError(f"weight_decay = {self.weight_decay}, but it must be 0 or more.")
        if not 0 <= self.cutmix <= 1:
            raise ConfigError(f"cutmix = {self.cutmix}, but it is a probability: 0..1.")
