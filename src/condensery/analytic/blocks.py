r"""What stands between two linear maps of a network, in eight functions.

A *block* is ``instance norm -> ReLU -> average pool``, a *gate* is the same without the norm; ReLU
and pool may be missing. Per image and channel, over pixels, with ``c = z - mean(z)``,

    r = 1 / sqrt(mean(c c) + eps),   gain = r scale,   y = gain c + shift,   p = pool(relu(y))

``backward`` takes ``dp`` to ``dz``; with ``dy`` zero where ``y <= 0``,

    b = mean(dy),   g = r mean(dy c),   dz = gain (dy - b - r g c)

The two tangents are their derivatives along a direction ``(z', scale', shift')`` (Pearlmutter's
R-operator); the second derivative of ReLU is zero almost everywhere:

    c' = z' - mean(z'),   q = r mean(c z'),   r' = -r^2 q,   gain' = r' scale + r scale'
    y' = gain c' + gain' c + shift'
    g' = r (mean(dy' c + dy c') - q g)
    dz' = gain' (dy - b) + gain (dy' - mean(dy'))
          - r (gain' g + gain g' - gain r q g) c - gain r g c'

A gate's tangents need no formula: it multiplies by what the sign of ``z`` says and averages, and
so do they. ``gate`` is the way up of values and tangents, ``ungate`` the way down of both. A
*stem* is a block whose statistics are known beforehand, ``y = gain z + offset``: ``stem`` gives
``p``, ``unstem`` gives ``dy``.

Plain torch, written so that ``torch.compile`` fuses each function into a few loops: what is one
number per image and channel is worked out before it meets the pixels, and pixels come in the
squares that the pool averages. Statistics are at least float32 whatever the dtype of the images.
Images are channels-last. Knows nothing about networks, convolutions, weights or groups.

Source:
    Pearlmutter 1994, *Fast Exact Multiplication by the Hessian* (the R-operator).
    Differs: the direction lies in weight space and the derivative asked for is with respect to the
    input, which is the same identity (mixed derivatives commute).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["EAGER", "Back", "Blocks", "Known", "Moved"]

Map: TypeAlias = Float[Tensor, "example height width channel"]
Pooled: TypeAlias = Float[Tensor, "example pooled_height pooled_width channel"]
Statistic: TypeAlias = Float[Tensor, "example channel"]
_Squares: TypeAlias = Float[Tensor, "example pooled_height pool pooled_width pool channel"]
_Do: TypeAlias = Callable[..., Any]


class Known(NamedTuple):
    """Of a block, from the way up."""

    mean: Statistic  # of z
    r: Statistic
    scale: Tensor
    shift: Tensor


class Back(NamedTuple):
    """From the way down."""

    dp: Pooled
    b: Statistic
    g: Statistic


class Moved(NamedTuple):
    """From the way up along a direction: tangents of the values of these names."""

    z: Map
    mean: Statistic
    q: Statistic
    scale: Statistic | None


class Blocks:
    """The functions.

    Args:
        fast: Makes a function of squares, which come first and viewed from outside, a fast one.
            (Compiled code that cuts squares itself looks every pixel up by integer division.)
    """

    def __init__(self, fast: Callable[[_Do], _Do] = lambda do: do) -> None:
        self._forward = fast(_forward)
        self._backward = fast(_backward)
        self._tangent_forward = fast(_tangent_forward)
        self._tangent_backward = fast(_tangent_backward)
        self._gate = fast(_gate)
        self._ungate = fast(_ungate)
        self._stem = fast(_stem)
        self._unstem = fast(_unstem)

    def forward(
        self, z: Map, relu: bool, pool: int, eps: float, scale: Tensor, shift: Tensor
    ) -> tuple[Pooled, Known]:
        """Give ``p``."""
        cut = _Cut(z, pool)
        p, mean, r = self._forward(cut.squares(z), relu, eps, scale, shift)
        return cut.pooled(p), Known(mean, r, scale, shift)

    def backward(self, z: Map, relu: bool, pool: int, known: Known, dp: Pooled) -> tuple[Map, Back]:
        """Give ``dz``."""
        cut = _Cut(z, pool)
        dz, b, g = self._backward(cut.squares(z), relu, *known, cut.unpooled(dp))
        return dz.reshape(z.shape), Back(dp, b, g)

    def tangent_forward(
        self,
        z: Map,
        relu: bool,
        pool: int,
        known: Known,
        z1: Map,
        z2: Map | None,
        scale_: Statistic | None,
        shift_: Statistic | None,
    ) -> tuple[Pooled, Moved]:
        """Give ``p'`` for ``z' = z1 + z2``; a missing part of the direction is zero."""
        cut = _Cut(z, pool)
        both = cut.squares(z1), None if z2 is None else cut.squares(z2)
        p_, z_, mean_, q = self._tangent_forward(
            cut.squares(z), relu, *known, *both, scale_, shift_
        )
        z_ = z1 if z_ is None else z_.reshape(z.shape)
        return cut.pooled(p_), Moved(z_, mean_, q, scale_)

    def tangent_backward(
        self,
        z: Map,
        relu: bool,
        pool: int,
        known: Known,
        back: Back,
        moved: Moved,
        dp1: Pooled,
        dp2: Pooled | None,
    ) -> Map:
        """Give ``dz'`` for ``dp' = dp1 + dp2``."""
        cut = _Cut(z, pool)
        back = back._replace(dp=cut.unpooled(back.dp))
        moved = moved._replace(z=cut.squares(moved.z))
        both = cut.unpooled(dp1), cut.unpooled(dp2)
        dz_ = self._tangent_backward(cut.squares(z), relu, *known, *back, *moved, *both)
        return dz_.reshape(z.shape)

    def gate(self, z: Map, relu: bool, pool: int, x1: Map, x2: Map | None) -> Pooled:
        """Pool ``x1 + x2`` where ``z`` is positive; ``x`` is ``z`` itself or its tangent."""
        cut = _Cut(z, pool)
        return cut.pooled(
            self._gate(
                cut.squares(z), relu, cut.squares(x1), None if x2 is None else cut.squares(x2)
            )
        )

    def ungate(self, z: Map, relu: bool, pool: int, dp1: Pooled, dp2: Pooled | None) -> Map:
        """Transpose of ``gate``."""
        cut = _Cut(z, pool)
        dz = self._ungate(cut.squares(z), relu, cut.unpooled(dp1), cut.unpooled(dp2))
        return dz.reshape(z.shape)

    def stem(self, z: Map, relu: bool, pool: int, gain: Statistic, offset: Statistic) -> Pooled:
        """Give ``p``."""
        cut = _Cut(z, pool)
        return cut.pooled(self._stem(cut.squares(z), relu, gain, offset))

    def unstem(
        self, z: Map, relu: bool, pool: int, gain: Statistic, offset: Statistic, dp: Pooled
    ) -> None:
        """Write ``dy`` over ``z``, whose memory is warm; ``z`` is contiguous."""
        cut = _Cut(z, pool)
        self._unstem(cut.squares(z), relu, gain, offset, cut.unpooled(dp))


class _Cut:
    """How maps of the shape of ``z`` are cut into the squares that a pool averages.

    A function of squares gives, or is given, one value a square. Where squares do not fill the
    map, each pixel is a square of its own, and the values are pooled and spread here.
    """

    def __init__(self, z: Map, pool: int) -> None:
        self._pool = pool
        self._height, self._width = z.shape[1:3]
        self._whole = self._height % pool == 0 and self._width % pool == 0

    def squares(self, z: Map) -> _Squares:
        example, height, width, channel = z.shape
        side = self._pool if self._whole else 1
        return z.reshape(example, height // side, side, width // side, side, channel)

    def pooled(self, y: Tensor) -> Pooled:
        """Values a square, averaged; the last rows and columns that fill none are dropped."""
        if self._whole:
            return y
        return functional.avg_pool2d(y.permute(0, 3, 1, 2), self._pool).permute(0, 2, 3, 1)

    def unpooled(self, dp: Pooled | None) -> Tensor | None:
        """Transpose of ``pooled``: each pixel gets its share, dropped ones get nothing."""
        if dp is None or self._whole:
            return dp
        pool, (example, height, width, channel) = self._pool, dp.shape
        up = (dp / pool**2)[:, :, None, :, None].expand(-1, -1, pool, -1, pool, -1)
        up = up.reshape(example, pool * height, pool * width, channel)
        over = (0, 0, 0, self._width - pool * width, 0, self._height - pool * height)
        return functional.pad(up, over)


# Below, maps are squares, and pooled maps [example, pooled_height, pooled_width, channel].


def _forward(
    z: _Squares, relu: bool, eps: float, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    wide = _wide(z)
    mean = _mean(wide)
    c = wide - _spread(mean)
    r = (_mean(c * c) + eps).rsqrt()
    y = c * _spread(r * scale) + shift
    return _pool(y.relu() if relu else y).to(z.dtype), mean, r


def _backward(
    z: _Squares,
    relu: bool,
    mean: Tensor,
    r: Tensor,
    scale: Tensor,
    shift: Tensor,
    dp: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    c, gain = _wide(z) - _spread(mean), r * scale
    dy = _open(c * _spread(gain) + shift, _unpool(_wide(dp), z), relu)
    b, g = _mean(dy), r * _mean(dy * c)
    dz = (dy - _spread(b)) * _spread(gain) - c * _spread(gain * r * g)
    return dz.to(z.dtype), b, g


def _tangent_forward(
    z: _Squares,
    relu: bool,
    mean: Tensor,
    r: Tensor,
    scale: Tensor,
    shift: Tensor,
    z1: _Squares,
    z2: _Squares | None,
    scale_: Tensor | None,
    shift_: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    z_ = _plus(z1, z2)
    c, gain = _wide(z) - _spread(mean), r * scale
    mean_, q = _mean(z_), r * _mean(c * z_)
    gain_ = _tangent_of_gain(r, q, scale, scale_)
    y_ = (z_ - _spread(mean_)) * _spread(gain) + c * _spread(gain_)
    if shift_ is not None:
        y_ = y_ + _spread(shift_)
    y_ = _open(c * _spread(gain) + shift, y_, relu)
    # A copy of z1 would be the largest thing written here.
    return _pool(y_).to(z.dtype), None if z2 is None else z_.to(z.dtype), mean_, q


def _tangent_backward(
    z: _Squares,
    relu: bool,
    mean: Tensor,
    r: Tensor,
    scale: Tensor,
    shift: Tensor,
    dp: Tensor,
    b: Tensor,
    g: Tensor,
    z_: _Squares,
    mean_: Tensor,
    q: Tensor,
    scale_: Tensor | None,
    dp1: Tensor,
    dp2: Tensor | None,
) -> Tensor:
    c, c_ = _wide(z) - _spread(mean), _wide(z_) - _spread(mean_)
    gain, gain_ = r * scale, _tangent_of_gain(r, q, scale, scale_)
    y = c * _spread(gain) + shift
    dy = _open(y, _unpool(_wide(dp), z), relu)
    dy_ = _open(y, _unpool(_plus(dp1, dp2), z), relu)
    b_, g_ = _mean(dy_), r * (_mean(dy_ * c + dy * c_) - q * g)
    along_c = r * (gain_ * g + gain * g_ - gain * r * q * g)
    dz_ = (dy - _spread(b)) * _spread(gain_) + (dy_ - _spread(b_)) * _spread(gain)
    dz_ = dz_ - c * _spread(along_c) - c_ * _spread(gain * r * g)
    return dz_.to(z.dtype)


def _tangent_of_gain(r: Tensor, q: Tensor, scale: Tensor, scale_: Tensor | None) -> Tensor:
    slope = -r * r * q * scale
    return slope if scale_ is None else slope + r * scale_


def _gate(z: _Squares, relu: bool, x1: _Squares, x2: _Squares | None) -> Tensor:
    return _pool(_open(z, _plus(x1, x2), relu)).to(z.dtype)


def _ungate(z: _Squares, relu: bool, dp1: Tensor, dp2: Tensor | None) -> Tensor:
    return _open(z, _unpool(_plus(dp1, dp2), z), relu).expand(z.shape).to(z.dtype)


def _stem(z: _Squares, relu: bool, gain: Tensor, offset: Tensor) -> Tensor:
    y = _wide(z) * _spread(gain) + _spread(offset)
    return _pool(y.relu() if relu else y).to(z.dtype)


def _unstem(z: _Squares, relu: bool, gain: Tensor, offset: Tensor, dp: Tensor) -> None:
    y = _wide(z) * _spread(gain) + _spread(offset)
    z.copy_(_open(y, _unpool(_wide(dp), z), relu))


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _plus(x: Tensor, y: Tensor | None) -> Tensor:
    return _wide(x) if y is None else _wide(x) + _wide(y)


def _open(y: Tensor, x: Tensor, relu: bool) -> Tensor:
    """What a ReLU that saw ``y`` lets through of ``x``."""
    return torch.where(y > 0, x, 0) if relu else x


def _mean(x: _Squares) -> Tensor:
    """Over pixels."""
    return x.sum(dim=(1, 2, 3, 4)) * (1 / (x.shape[1] * x.shape[2] * x.shape[3] * x.shape[4]))


def _spread(statistic: Tensor) -> Tensor:
    """Over pixels."""
    return statistic[:, None, None, None, None]


def _pool(y: _Squares) -> Tensor:
    return y.sum(dim=(2, 4)) * (1 / (y.shape[2] * y.shape[4]))


def _unpool(dp: Tensor, z: _Squares) -> Tensor:
    """The share of every pixel of a square; one value, which is never written to memory."""
    return (dp * (1 / (z.shape[2] * z.shape[4])))[:, :, None, :, None]


EAGER = Blocks()
