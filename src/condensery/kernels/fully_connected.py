"""The kernels of infinitely wide fully connected ReLU networks.

Both follow from the covariance of the outputs of a layer by a recursion over layers. A plain
formula fails for an image and itself: the angle of equal vectors is 0, where the derivative of the
arc cosine is infinite, and rounding gives angles of 1e-8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from condensery.errors import ConfigError
from condensery.kernels.base import Kernel, vectors
from condensery.registry import register

_SAME = 1e-13
"""Up to this squared sine of their angle, two vectors are equal except for rounding."""


@register("kernel", "fully-connected")
@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnected(Kernel):
    """The kernel of ``depth`` hidden layers and a linear layer at the end.

    ``S`` is the covariance of a layer (``S = weight x.x' / d + bias`` for the first layer), and
    ``f`` the angle of the pair (``cos f = S / n`` with ``n = sqrt(S_xx S_x'x')``). Each hidden
    layer computes::

        E = n (sin f + (pi - f) cos f) / 2 pi        D = (pi - f) / 2 pi
        S <- weight E + bias                         T <- S + weight T D

    ``T`` starts with the first ``S``.

    Attributes:
        depth: Hidden layers, at least 0; 0 is the linear kernel.
        variant: ``"ntk"`` (``T``: all layers trained by gradient descent) or ``"nngp"`` (``S``:
            only the last layer trained).
        weight: Variance of weights times inputs of a layer, > 0.
        bias: Variance of biases, > 0, so that an image of zeros has an angle.

    Source:
        Jacot et al. 2018 (NTK); Cho & Saul 2009 (the two expectations). The default variances
        are those of KIP (Nguyen et al. 2021). Differs: an angle that is only rounding (sine below
        3e-7) is exactly 0 with derivative 0, which is its limit for an image and itself.
    """

    depth: int = 1
    variant: Literal["ntk", "nngp"] = "ntk"
    weight: float = 2.0
    bias: float = 0.01

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ConfigError(
                f"kernel.depth = {self.depth}, but it must be 0 hidden layers or more."
            )
        if self.variant not in ("ntk", "nngp"):
            raise ConfigError(
                f"kernel.variant = {self.variant!r} is unknown; known are ntk (all layers trained) "
                "and nngp (the last layer alone)."
            )
        for name in ("weight", "bias"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"kernel.{name} = {getattr(self, name)} is a variance: it must be above 0."
                )

    @property
    def name(self) -> str:
        """See ``Kernel.name``."""
        return f"{self.variant}-fc{self.depth}"

    def __call__(
        self, left: Float[Tensor, "left ..."], right: Float[Tensor, "right ..."]
    ) -> Float[Tensor, "left right"]:
        """See ``Kernel``."""
        x, y = vectors(left), vectors(right)
        scale = self.weight / x.shape[1]
        covariance = scale * (x @ y.T) + self.bias
        own = tuple(scale * v.square().sum(dim=1) + self.bias for v in (x, y))
        tangent = covariance
        for _ in range(self.depth):
            expected, active = _relu(covariance, own[0][:, None] * own[1][None, :])
            covariance = self.weight * expected + self.bias
            tangent = covariance + self.weight * tangent * active
            own = tuple(self.weight * v / 2 + self.bias for v in own)  # the angle is 0
        return tangent if self.variant == "ntk" else covariance


def _relu(covariance: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """``E`` and ``D`` for pairs with this covariance and this product of variances."""
    residue = squares - covariance.square()  # (n sin f)^2
    same = residue <= _SAME * squares
    height = torch.where(same, squares, residue).sqrt().masked_fill(same, 0)
    angle = torch.atan2(height, covariance)
    active = (math.pi - angle) / (2 * math.pi)
    return height / (2 * math.pi) + active * covariance, active
