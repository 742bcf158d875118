r"""One ConvNet block after its convolution, there and back, and how to compile it.

A block is ``instance norm -> ReLU -> 2x2 average pool``. Per image and channel, over pixels,

    n = (z - mean(z)) * r,   r = 1 / sqrt(var(z) + eps),   y = scale n + shift,   p = pool(relu(y))
    dz = r scale (dy - mean(dy) - n mean(dy n)),   dy = unpool(dp) where y > 0, else 0

The first block is cheaper: its input never moves and is narrow. With ``P`` the patches of an
image, ``[pixel, patch]``, whose last used column is 1, ``z = P W`` and all statistics follow from
``M = P' P / pixels``; ``dz`` is needed only for the gradient of ``W``, and that follows from
``G = P' dy``. So each pixel is read once on the way up and once on the way down, and no statistic
is reduced over pixels.

Plain torch, written so that ``torch.compile`` fuses each function into a few loops; statistics are
at least float32. Maps are channels-last. Knows nothing about networks, losses or optimisers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from condensery.compiling import Compiled

__all__ = ["Blocks", "blocks"]

Map: TypeAlias = Float[Tensor, "example height width channel"]
Pooled: TypeAlias = Float[Tensor, "example pooled_height pooled_width channel"]
Statistic: TypeAlias = Float[Tensor, "example channel"]


def block(z: Map, scale: Tensor, shift: Tensor, eps: float) -> tuple[Pooled, Statistic, Statistic]:
    """Give ``p``, ``mean(z)`` and ``r``."""
    wide = _wide(z)
    mean = wide.mean(dim=(1, 2))
    centred = wide - mean[:, None, None]
    r = ((centred * centred).mean(dim=(1, 2)) + eps).rsqrt()
    y = centred * (r * scale)[:, None, None] + shift
    return _pool(y.relu()).to(z.dtype), mean, r


def block_back(
    z: Map, mean: Statistic, r: Statistic, dp: Pooled, scale: Tensor, shift: Tensor
) -> tuple[Map, Statistic, Statistic]:
    """Give ``dz``, ``mean(dy)`` and ``mean(dy * n)``."""
    n = (_pixels(z) - _spread(mean, z)) * _spread(r, z)
    dy = torch.where(n * scale + shift > 0, _unpool(_wide(dp), z), 0)
    over = (1, 2, 3, 4) if _even(z) else (1, 2)
    b, g = dy.mean(dim=over), (dy * n).mean(dim=over)
    dz = _spread(r * scale, z) * (dy - _spread(b, z) - n * _spread(g, z))
    return dz.reshape(z.shape).to(z.dtype), b, g


def first_statistics(
    m: Float[Tensor, "example patch patch"],
    w: Float[Tensor, "patch channel"],
    scale: Tensor,
    shift: Tensor,
    eps: float,
    one: int,
) -> tuple[Tensor, Statistic, Statistic, Statistic, Statistic]:
    """Give ``M W``, ``mean(z)``, ``r``, and ``gain`` and ``offset`` of ``y = gain z + offset``.

    ``one`` is the column of ones in the patches.
    """
    mw = m @ w
    mean = mw[:, one]
    var = ((w * mw).sum(dim=1) - mean * mean).clamp(min=0)  # may be rounded to below 0
    r = (var + eps).rsqrt()
    gain = r * scale
    return mw, mean, r, gain, shift - mean * gain


def first(z: Map, gain: Statistic, offset: Statistic, p: Pooled) -> None:
    """Write ``p``."""
    y = _wide(z) * gain[:, None, None] + offset[:, None, None]
    p.copy_(_pool(y.relu()))


def first_back(z: Map, gain: Statistic, offset: Statistic, dp: Pooled) -> None:
    """Write ``dy`` over ``z``."""
    above = _pixels(z) * _spread(gain, z) + _spread(offset, z) > 0
    z.copy_(torch.where(above, _unpool(_wide(dp), z), 0).reshape(z.shape))


def first_gradients(
    products: Float[Tensor, "example patch channel"],
    m: Float[Tensor, "example patch patch"],
    mw: Float[Tensor, "example patch channel"],
    mean: Statistic,
    r: Statistic,
    scale: Tensor,
    w: Float[Tensor, "patch channel"],
    pixels: int,
    one: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``w``, scale and shift, summed over examples; ``products`` is ``G``."""
    g = _wide(products)
    b = g[:, one] / pixels  # mean(dy)
    dyn = r * ((w * g).sum(dim=1) / pixels - mean * b)  # mean(dy * n)
    ones = m[:, one][:, :, None]  # means of the patches
    n = r[:, None] * (mw - mean[:, None] * ones)  # mean(n * patch)
    dw = (r * scale)[:, None] * (g - pixels * (b[:, None] * ones + dyn[:, None] * n))
    return dw.sum(dim=0), dyn.sum(dim=0) * pixels, b.sum(dim=0) * pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The functions of this file, as they are or compiled."""

    block: Callable[..., tuple[Tensor, Tensor, Tensor]] = block
    block_back: Callable[..., tuple[Tensor, Tensor, Tensor]] = block_back
    first_statistics: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = (
        first_statistics
    )
    first: Callable[..., None] = first
    first_back: Callable[..., None] = first_back
    first_gradients: Callable[..., tuple[Tensor, Tensor, Tensor]] = first_gradients


@cache
def blocks(*, compiled: bool) -> Blocks:
    """One object per process, so that all networks share what was compiled."""
    if not compiled:
        return Blocks()
    return Blocks(
        block=_compiled(block, 1),
        block_back=_compiled(block_back, 4),
        first_statistics=_compiled(first_statistics, 1),
        first=_compiled(first, 4),
        first_back=_compiled(first_back, 4),
        first_gradients=_compiled(first_gradients, 5),
    )


def _compiled(function: Callable[..., Any], per_example: int) -> Compiled:
    """Once for every shape of an example; the first ``per_example`` arguments have such an axis."""
    return Compiled(
        function,
        # A single example is a kind of its own, as torch always treats it apart.
        kind=lambda z, *_: (z.shape[1:], z.shape[0] == 1, z.dtype),
        free=lambda *given: ((x, 0) for x in given[:per_example]),
    )


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _pool(y: Tensor) -> Tensor:
    """Average 2x2 pixels; an odd last row or column is dropped, as ``nn.AvgPool2d`` does."""
    height, width = y.shape[1] // 2, y.shape[2] // 2
    return _blocked(y[:, : 2 * height, : 2 * width]).mean(dim=(2, 4))


# On the way down every pixel of a 2x2 block sees the same pooled value. Maps with even sides are
# therefore viewed as [example, h, 2, w, 2, channel], where that value is a broadcast.


def _even(z: Tensor) -> bool:
    return z.shape[1] % 2 == 0 and z.shape[2] % 2 == 0


def _blocked(z: Tensor) -> Tensor:
    n, height, width, channel = z.shape
    return z.reshape(n, height // 2, 2, width // 2, 2, channel)


def _pixels(z: Tensor) -> Tensor:
    return _wide(_blocked(z) if _even(z) else z)


def _spread(statistic: Tensor, z: Tensor) -> Tensor:
    return statistic[:, None, None, None, None] if _even(z) else statistic[:, None, None]


def _unpool(dp: Tensor, z: Tensor) -> Tensor:
    """Transpose of ``_pool``: each pixel gets a quarter, dropped ones get nothing."""
    up = (dp * 0.25)[:, :, None, :, None, :]
    if _even(z):
        return up
    n, height, width, channel = dp.shape
    up = up.expand(n, height, 2, width, 2, channel).reshape(n, 2 * height, 2 * width, channel)
    below, right = z.shape[1] - 2 * height, z.shape[2] - 2 * width
    return torch.nn.functional.pad(up, (0, 0, 0, right, 0, below))
