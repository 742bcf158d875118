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
    Pearlmutter 1994, *Fast Exact Multiplication by the Hessian* (the R-operator).
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
    centred = wide - mean[:, None, None]
    r = ((centred * centred).mean(dim=(1, 2)) + eps).rsqrt()
    y = centred * (r * scale)[:, None, None] + shift
    return _pool(y.relu()).to(z.dtype), mean, r


def backward(
    z: Map, mean: Statistic, r: Statistic, scale: Tensor, shift: Tensor, dp: Pooled
) -> tuple[Map, Statistic, Statistic]:
    """Give ``dz``, ``b = mean(dy)`` and ``g = mean(dy * n)``."""
    n = (_pixels(z) - _spread(mean, z)) * _spread(r, z)
    dy = torch.where(n * scale + shift > 0, _unpool(_wide(dp), z), 0)
    b, g = _mean(dy, z), _mean(dy * n, z)
    dz = _spread(r * scale, z) * (dy - _spread(b, z) - n * _spread(g, z))
    return dz.reshape(z.shape).to(z.dtype), b, g


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
    n = (_wide(z) - mean[:, None, None]) * r[:, None, None]
    mean_, q = z_.mean(dim=(1, 2)), (n * z_).mean(dim=(1, 2))
    y_ = (scale * r)[:, None, None] * (z_ - mean_[:, None, None] - n * q[:, None, None])
    if scale_ is not None:
        y_ = y_ + scale_[:, None, None] * n
    if shift_ is not None:
        y_ = y_ + shift_[:, None, None]
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
    n = (_pixels(z) - _spread(mean, z)) * _spread(r, z)
    inside = n * scale + shift > 0
    dy = torch.where(inside, _unpool(_wide(dp), z), 0)
    dy_ = torch.where(inside, _unpool(dp_, z), 0)
    n_ = _spread(r, z) * (_pixels(z_) - _spread(mean_, z) - n * _spread(q, z))
    b_, g_ = _mean(dy_, z), _mean(dy_ * n + dy * n_, z)
    slope = -r * r * q * scale if scale_ is None else r * (scale_ - r * q * scale)
    dz_ = _spread(slope, z) * (dy - _spread(b, z) - n * _spread(g, z)) + _spread(r * scale, z) * (
        dy_ - _spread(b_, z) - n_ * _spread(g, z) - n * _spread(g_, z)
    )
    return dz_.reshape(z.shape).to(z.dtype)


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


def _pool(y: Tensor) -> Tensor:
    """Average 2x2 pixels; an odd last row or column is dropped, as ``nn.AvgPool2d`` does."""
    height, width = y.shape[1] // 2, y.shape[2] // 2
    return _blocked(y[:, : 2 * height, : 2 * width]).mean(dim=(2, 4))


# On the way down every pixel of a 2x2 block sees the same pooled value. Maps with even sides are
# therefore viewed as [example, h, 2, w, 2, channel], where that value is a broadcast: a repeated
# copy of it would be written to memory by the compiler, which cost half of the function's time.


def _even(z: Tensor) -> bool:
    return z.shape[1] % 2 == 0 and z.shape[2] % 2 == 0


def _blocked(z: Tensor) -> Tensor:
    n, height, width, channel = z.shape
    return z.reshape(n, height // 2, 2, width // 2, 2, channel)


def _pixels(z: Tensor) -> Tensor:
    return _wide(_blocked(z) if _even(z) else z)


def _spread(statistic: Tensor, z: Tensor) -> Tensor:
    return statistic[:, None, None, None, None] if _even(z) else statistic[:, None, None]


def _mean(x: Tensor, z: Tensor) -> Tensor:
    return x.mean(dim=(1, 2, 3, 4) if _even(z) else (1, 2))


def _unpool(dp: Tensor, z: Tensor) -> Tensor:
    """Transpose of ``_pool``: each pixel gets a quarter, dropped ones get nothing."""
    up = (dp * 0.25)[:, :, None, :, None, :]
    if _even(z):
        return up
    n, height, width, channel = dp.shape
    up = up.expand(n, height, 2, width, 2, channel).reshape(n, 2 * height, 2 * width, channel)
    below, right = z.shape[1] - 2 * height, z.shape[2] - 2 * width
    return torch.nn.functional.pad(up, (0, 0, 0, right, 0, below))
