r"""One ConvNet block after its convolution, in four functions, and how to compile them.

A block is ``instance norm -> ReLU -> 2x2 average pool``. Per image and channel, over pixels,

    n = (z - mean(z)) * r,   r = 1 / sqrt(var(z) + eps),   y = scale n + shift,   p = pool(relu(y))

``backward`` takes ``dp`` to ``dz``; with ``dy`` zero where ``y <= 0``,

    dz = r scale (dy - mean(dy) - n mean(dy n))

The two tangents are their derivatives along a direction ``(z', scale', shift')`` (Pearlmutter's
R-operator); the second derivative of ReLU is zero almost everywhere:

    q = mean(n z'),   r' = -r^2 q,   n' = r (z' - mean(z') - n q)
    y' = scale n' + scale' n + shift'
    b = mean(dy),   g = mean(dy n)
    dz' = (r' scale + r scale') (dy - b - n g)
          + r scale (dy' - mean(dy') - n' g - n mean(dy' n + dy n'))

Plain torch, written so that ``torch.compile`` fuses each function into a few loops; statistics are
at least float32 whatever the dtype of the images. Images are channels-last. Knows nothing about
networks, convolutions, weights or groups.

Source:
    Pearlmutter 1994, *Fast Exact Multiplication by the Hessian*, section 3 (the R-operator).
    Differs: the direction lies in weight space and the derivative asked for is with respect to the
    input, which is the same identity (mixed derivatives commute).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["EAGER", "Blocks"]

Map: TypeAlias = Float[Tensor, "example height width channel"]
Pooled: TypeAlias = Float[Tensor, "example pooled_height pooled_width channel"]
Statistic: TypeAlias = Float[Tensor, "example channel"]


def forward(
    z: Map, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Pooled, Statistic, Statistic]:
    """Give ``p``, ``mean(z)`` and ``r``."""
    wide = _wide(z)
    mean = wide.mean(dim=(1, 2))
    centred = wide - _spread(mean)
    r = ((centred * centred).mean(dim=(1, 2)) + eps).rsqrt()
    y = centred * _spread(r) * scale + shift
    return _pool(y.relu()).to(z.dtype), mean, r


def backward(
    z: Map, mean: Statistic, r: Statistic, scale: Tensor, shift: Tensor, dp: Pooled
) -> tuple[Map, Statistic, Statistic]:
    """Give ``dz``, ``b = mean(dy)`` and ``g = mean(dy * n)``."""
    n = (_wide(z) - _spread(mean)) * _spread(r)
    dy = torch.where(n * scale + shift > 0, _unpool(_wide(dp), z), 0)
    b = dy.mean(dim=(1, 2))
    g = (dy * n).mean(dim=(1, 2))
    dz = _spread(r * scale) * (dy - _spread(b) - n * _spread(g))
    return dz.to(z.dtype), b, g


def tangent_forward(
    z: Map,
    mean: Statistic,
    r: Statistic,
    scale: Tensor,
    shift: Tensor,
    z1: Map,
    z2: Map | None,
    scale_: Statistic | None,
    shift_: Statistic | None,
) -> tuple[Pooled, Map, Statistic, Statistic]:
    """Give ``p'``, ``z' = z1 + z2``, ``mean(z')`` and ``q = mean(n * z')``.

    A missing part of the direction is zero.
    """
    z_ = _wide(z1) if z2 is None else _wide(z1) + _wide(z2)
    n = (_wide(z) - _spread(mean)) * _spread(r)
    mean_ = z_.mean(dim=(1, 2))
    q = (n * z_).mean(dim=(1, 2))
    y_ = scale * _spread(r) * (z_ - _spread(mean_) - n * _spread(q))
    if scale_ is not None:
        y_ = y_ + _spread(scale_) * n
    if shift_ is not None:
        y_ = y_ + _spread(shift_)
    y_ = torch.where(n * scale + shift > 0, y_, 0)
    return _pool(y_).to(z.dtype), z_.to(z.dtype), mean_, q


def tangent_backward(
    z: Map,
    mean: Statistic,
    r: Statistic,
    scale: Tensor,
    shift: Tensor,
    dp: Pooled,
    b: Statistic,
    g: Statistic,
    z_: Map,
    mean_: Statistic,
    q: Statistic,
    scale_: Statistic | None,
    dp1: Pooled,
    dp2: Pooled | None,
) -> Map:
    """Give ``dz'`` for ``dp' = dp1 + dp2``."""
    dp_ = _wide(dp1) if dp2 is None else _wide(dp1) + _wide(dp2)
    n = (_wide(z) - _spread(mean)) * _spread(r)
    inside = n * scale + shift > 0
    dy = torch.where(inside, _unpool(_wide(dp), z), 0)
    dy_ = torch.where(inside, _unpool(dp_, z), 0)
    n_ = _spread(r) * (_wide(z_) - _spread(mean_) - n * _spread(q))
    b_ = dy_.mean(dim=(1, 2))
    g_ = (dy_ * n + dy * n_).mean(dim=(1, 2))
    flat = dy - _spread(b) - n * _spread(g)
    slope = -r * q * scale * r if scale_ is None else r * (scale_ - r * q * scale)
    dz_ = _spread(slope) * flat + _spread(r * scale) * (
        dy_ - _spread(b_) - n_ * _spread(g) - n * _spread(g_)
    )
    return dz_.to(z.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The four functions of a block, as they are or compiled."""

    forward: Callable[..., tuple[Tensor, Tensor, Tensor]]
    backward: Callable[..., tuple[Tensor, Tensor, Tensor]]
    tangent_forward: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]
    tangent_backward: Callable[..., Tensor]


EAGER = Blocks(
    forward=forward,
    backward=backward,
    tangent_forward=tangent_forward,
    tangent_backward=tangent_backward,
)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _spread(statistic: Tensor) -> Tensor:
    return statistic[:, None, None, :]


def _pool(y: Tensor) -> Tensor:
    """Average 2x2 pixels; an odd last row or column is dropped, as ``nn.AvgPool2d`` does."""
    n, height, width, channel = y.shape
    height, width = height // 2, width // 2
    y = y[:, : 2 * height, : 2 * width].reshape(n, height, 2, width, 2, channel)
    return y.mean(dim=(2, 4))


def _unpool(dp: Tensor, like: Tensor) -> Tensor:
    """Transpose of ``_pool``: each pixel gets a quarter, dropped ones get nothing."""
    n, height, width, channel = dp.shape
    up = (dp * 0.25)[:, :, None, :, None, :].expand(n, height, 2, width, 2, channel)
    up = up.reshape(n, 2 * height, 2 * width, channel)
    below, right = like.shape[1] - 2 * height, like.shape[2] - 2 * width
    return torch.nn.functional.pad(up, (0, 0, 0, right, 0, below)) if below or right else up
