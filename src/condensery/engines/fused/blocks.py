r"""What stands between two linear maps of a network, in six functions.

A *block* is ``instance norm -> ReLU -> average pool``, a *gate* is the same without the norm; ReLU
and pool may be missing. Per image and channel, over pixels,

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

A gate's tangents need no formula: it multiplies by what the sign of ``z`` says and averages, and
so do they. ``gate`` is the way up of values and tangents, ``ungate`` the way down of both.

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
    z: Map, relu: bool, pool: int, eps: float, scale: Tensor, shift: Tensor
) -> tuple[Pooled, Statistic, Statistic]:
    """Give ``p``, ``mean(z)`` and ``r``."""
    wide = _wide(z)
    mean = wide.mean(dim=(1, 2))
    centred = wide - mean[:, None, None]
    r = ((centred * centred).mean(dim=(1, 2)) + eps).rsqrt()
    y = centred * (r * scale)[:, None, None] + shift
    return _pool(y.relu() if relu else y, pool).to(z.dtype), mean, r


def backward(
    z: Map,
    relu: bool,
    pool: int,
    mean: Statistic,
    r: Statistic,
    scale: Tensor,
    shift: Tensor,
    dp: Pooled,
) -> tuple[Map, Statistic, Statistic]:
    """Give ``dz``, ``b = mean(dy)`` and ``g = mean(dy * n)``."""
    cut = _Cut(z, pool)
    n = (cut.pixels(z) - cut.spread(mean)) * cut.spread(r)
    dy = _open(n * scale + shift, cut.unpool(_wide(dp)), relu)
    b, g = cut.mean(dy), cut.mean(dy * n)
    dz = cut.spread(r * scale) * (dy - cut.spread(b) - n * cut.spread(g))
    return dz.reshape(z.shape).to(z.dtype), b, g


def tangent_forward(
    z: Map,
    relu: bool,
    pool: int,
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
    z_ = _plus(z1, z2)
    n = (_wide(z) - mean[:, None, None]) * r[:, None, None]
    mean_, q = z_.mean(dim=(1, 2)), (n * z_).mean(dim=(1, 2))
    y_ = (scale * r)[:, None, None] * (z_ - mean_[:, None, None] - n * q[:, None, None])
    if scale_ is not None:
        y_ = y_ + scale_[:, None, None] * n
    if shift_ is not None:
        y_ = y_ + shift_[:, None, None]
    y_ = _open(n * scale + shift, y_, relu)
    return _pool(y_, pool).to(z.dtype), z_.to(z.dtype), mean_, q


def tangent_backward(
    z: Map,
    relu: bool,
    pool: int,
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
    cut = _Cut(z, pool)
    n = (cut.pixels(z) - cut.spread(mean)) * cut.spread(r)
    y = n * scale + shift
    dy = _open(y, cut.unpool(_wide(dp)), relu)
    dy_ = _open(y, cut.unpool(_plus(dp1, dp2)), relu)
    n_ = cut.spread(r) * (cut.pixels(z_) - cut.spread(mean_) - n * cut.spread(q))
    b_, g_ = cut.mean(dy_), cut.mean(dy_ * n + dy * n_)
    slope = -r * r * q * scale if scale_ is None else r * (scale_ - r * q * scale)
    dz_ = cut.spread(slope) * (dy - cut.spread(b) - n * cut.spread(g)) + cut.spread(r * scale) * (
        dy_ - cut.spread(b_) - n_ * cut.spread(g) - n * cut.spread(g_)
    )
    return dz_.reshape(z.shape).to(z.dtype)


def gate(z: Map, relu: bool, pool: int, x1: Map, x2: Map | None) -> Pooled:
    """Pool ``x1 + x2`` where ``z`` is positive; ``x`` is ``z`` itself or its tangent."""
    return _pool(_open(z, _plus(x1, x2), relu), pool).to(z.dtype)


def ungate(z: Map, relu: bool, pool: int, dp1: Pooled, dp2: Pooled | None) -> Map:
    """Transpose of ``gate``."""
    cut = _Cut(z, pool)
    dz = _open(cut.pixels(z), cut.unpool(_plus(dp1, dp2)), relu)
    return dz.expand(cut.pixels(z).shape).reshape(z.shape).to(z.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The six functions, as they are or compiled."""

    forward: Callable[..., tuple[Tensor, Tensor, Tensor]]
    backward: Callable[..., tuple[Tensor, Tensor, Tensor]]
    tangent_forward: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]
    tangent_backward: Callable[..., Tensor]
    gate: Callable[..., Tensor]
    ungate: Callable[..., Tensor]


EAGER = Blocks(
    forward=forward,
    backward=backward,
    tangent_forward=tangent_forward,
    tangent_backward=tangent_backward,
    gate=gate,
    ungate=ungate,
)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _plus(x: Tensor, y: Tensor | None) -> Tensor:
    return _wide(x) if y is None else _wide(x) + _wide(y)


def _open(y: Tensor, x: Tensor, relu: bool) -> Tensor:
    """What a ReLU that saw ``y`` lets through of ``x``."""
    return torch.where(y > 0, x, 0) if relu else x


def _pool(y: Tensor, pool: int) -> Tensor:
    """Average squares of pixels; the last rows and columns that fill none are dropped."""
    height, width = y.shape[1] // pool, y.shape[2] // pool
    return _squares(y[:, : pool * height, : pool * width], pool).mean(dim=(2, 4))


def _squares(z: Tensor, pool: int) -> Tensor:
    n, height, width, channel = z.shape
    return z.reshape(n, height // pool, pool, width // pool, pool, channel)


class _Cut:
    """How maps of the shape of ``z`` are looked at on the way down.

    There every pixel of a square sees the same pooled value. Maps that squares fill are therefore
    viewed as [example, h, pool, w, pool, channel], where that value is a broadcast: a repeated copy
    of it would be written to memory by the compiler, which cost half of the function's time.
    """

    def __init__(self, z: Tensor, pool: int) -> None:
        self.pool = pool
        self.over = (z.shape[1] % pool, z.shape[2] % pool)  # rows and columns in no square
        self.whole = self.over[0] == 0 and self.over[1] == 0

    def pixels(self, z: Tensor) -> Tensor:
        return _wide(_squares(z, self.pool) if self.whole else z)

    def spread(self, statistic: Tensor) -> Tensor:
        if self.whole:
            return statistic[:, None, None, None, None]
        return statistic[:, None, None]

    def mean(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2, 3, 4) if self.whole else (1, 2))

    def unpool(self, dp: Tensor) -> Tensor:
        """Transpose of ``_pool``: each pixel gets its share, dropped ones get nothing."""
        up = (dp * (1 / self.pool**2))[:, :, None, :, None, :]
        if self.whole:
            return up
        n, height, width, channel = dp.shape
        up = up.expand(n, height, self.pool, width, self.pool, channel)
        up = up.reshape(n, self.pool * height, self.pool * width, channel)
        return torch.nn.functional.pad(up, (0, 0, 0, self.over[1], 0, self.over[0]))
