"""The built-in trainings: SGD and AdamW, with batch, learning rate and augmentation.

Knows nothing about the length of a training and the learning rate of each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.augment import Augment, PerExample
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.training.base import OptimiserState

_COLOR_CROP = PerExample(strategy="color_crop")


@register("training", "sgd")
@dataclass(frozen=True, slots=True, kw_only=True)
class SGDTraining:
    """SGD with momentum on augmented batches with CutMix; the defaults are those of IDC.

    Attributes:
        batch: Images per step, at least 1; a smaller pool is one batch.
        lr: Learning rate at the start, > 0.
        momentum: In [0, 1).
        weight_decay: L2 penalty on every parameter, >= 0.
        augment: The augmentation of a batch before the network sees it.
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
            raise ConfigError(f"lr = {self.lr}, but the learning rate must be a number above 0.")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum = {self.momentum}, but it must be at least 0 and below 1.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigError(f"weight_decay = {self.weight_decay}, but it must be 0 or more.")
        if not 0 <= self.cutmix <= 1:
            raise ConfigError(f"cutmix = {self.cutmix}, but it is a probability: 0..1.")

    def init(self, parameters: Sequence[Tensor]) -> OptimiserState:
        """See ``Training.init``: the velocity."""
        return [[torch.zeros_like(p) for p in parameters]]

    def update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: OptimiserState,
        *,
        lr: float,
    ) -> None:
        """See ``Training.update``; bit for bit ``torch.optim.SGD``, whose import takes seconds."""
        (velocity,) = state
        # One call for all parameters; the same sums as a loop over them.
        slope = torch._foreach_add(gradients, parameters, alpha=self.weight_decay)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(velocity, self.momentum)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(velocity, slope)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(parameters, velocity, alpha=-lr)  # pyright: ignore[reportPrivateImportUsage]


@register("training", "adamw")
@dataclass(frozen=True, slots=True, kw_only=True)
class AdamWTraining:
    """Adam with decoupled weight decay on augmented batches with CutMix.

    Attributes:
        batch: Images per step, at least 1; a smaller pool is one batch.
        lr: Learning rate at the start, > 0.
        momentum: Decay of the mean gradient, in [0, 1).
        decay: Decay of the mean squared gradient, in [0, 1).
        weight_decay: A step subtracts this share of every parameter, times the learning rate;
            >= 0.
        epsilon: Added to the root, > 0.
        augment: The augmentation of a batch before the network sees it.
        cutmix: Probability per batch of CutMix, in [0, 1].

    Source:
        Loshchilov & Hutter 2019, *Decoupled Weight Decay Regularization*, Algorithm 2, with the
        defaults of ``torch.optim.AdamW``. Differs: none.
    """

    batch: int = 64
    lr: float = 1e-3
    momentum: float = 0.9
    decay: float = 0.999
    weight_decay: float = 1e-2
    epsilon: float = 1e-8
    augment: Augment = _COLOR_CROP
    cutmix: float = 0.5

    def __post_init__(self) -> None:
        SGDTraining(
            batch=self.batch, lr=self.lr, weight_decay=self.weight_decay, cutmix=self.cutmix
        )
        for name in ("momentum", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} = {getattr(self, name)}, but it must be at least 0 and below 1."
                )
        if not self.epsilon > 0:
            raise ConfigError(f"epsilon = {self.epsilon}, but it must be above 0.")

    def init(self, parameters: Sequence[Tensor]) -> OptimiserState:
        """See ``Training.init``: both means, and how many steps they are of."""
        zeros = [torch.zeros_like(p) for p in parameters]
        return [zeros, [z.clone() for z in zeros], [p.new_zeros(()) for p in parameters]]

    def update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: OptimiserState,
        *,
        lr: float,
    ) -> None:
        """See ``Training.update``."""
        for p, gradient, mean, square, steps in zip(parameters, gradients, *state, strict=True):
            steps.add_(1)
            p.mul_(1 - lr * self.weight_decay)
            mean.lerp_(gradient, 1 - self.momentum)
            square.mul_(self.decay).addcmul_(gradient, gradient, value=1 - self.decay)
            root = (square / (1 - self.decay**steps)).sqrt_().add_(self.epsilon)
            p.addcdiv_(mean / (1 - self.momentum**steps), root, value=-lr)
