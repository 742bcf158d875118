r"""The operations between two linear layers of a network, in six functions.

A *block* is ``instance norm -> ReLU -> average pool``; a *gate* is the same without the norm. ReLU
and pool may be missing. For each image and channel, with means over pixels and ``c = z - mean(z)``,

    r = 1 / sqrt(mean(c c) + eps),   gain = r scale,   y = gain c + shift,   p = pool(relu(y))

``backward`` takes ``dp`` to ``dz``. With ``dy`` zero where ``y <= 0``,

    b = mean(dy),   g = r mean(dy c),   dz = gain (dy - b - r g c)

The two tangents are the derivatives of ``forward`` and ``backward`` along a direction
``(z', scale', shift')`` (Pearlmutter's R-operator, a Jacobian-vector product). The second
derivative of ReLU is zero almost everywhere:

    c' = z' - mean(z'),   q = r mean(c z'),   r' = -r^2 q,   gain' = r' scale + r scale'
    y' = gain c' + gain' c + shift'
    g' = r (mean(dy' c + dy c') - q g)
    dz' = gain' (dy - b) + gain (dy' - mean(dy'))
          - r (gain' g + gain g' - gain r q g) c - gain r g c'

A gate selects the pixels with positive ``z`` and averages, and so do its tangents: ``gate`` takes a
value or a tangent forward, ``gate_transpose`` takes a gradient or its tangent backward.

This is plain torch, written so that ``torch.compile`` fuses each function into a few loops: numbers
of an image and channel are computed before the loop over pixels, and maps are viewed as the windows
that the pool averages. Statistics are at least float32, whatever the dtype of the maps.
Maps are channels-last.

Source:
    Pearlmutter 1994, *Fast Exact Multiplication by the Hessian* (the R-operator).
    Differs: the direction lies in the space of the weights, and the derivative is with respect to
    the input. The identity is the same because mixed derivatives commute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Map: TypeAlias = Float[Tensor, "example height width channel"]
Pooled: TypeAlias = Float[Tensor, "example pooled_height pooled_width channel"]
Statistic: TypeAlias = Float[Tensor, "example channel"]
_Windows: TypeAlias = Float[Tensor, "example pooled_height pool pooled_width pool channel"]
_Function: TypeAlias = Callable[..., Any]


class SavedForward(NamedTuple):
    """What ``Blocks.forward`` saves for the other functions of a block."""

    mean: Statistic  # of z
    r: Statistic
    scale: Tensor
    shift: Tensor


class SavedBackward(NamedTuple):
    """What ``Blocks.backward`` saves for ``tangent_backward``."""

    dp: Pooled
    b: Statistic
    g: Statistic


class SavedTangent(NamedTuple):
    """What ``Blocks.tangent_forward`` saves for ``tangent_backward``: tangents of these values."""

    z: Map
    mean: Statistic
    q: Statistic
    scale: Statistic | None


class Blocks:
    """The functions of blocks and gates.

    Args:
        compiled: Makes a fast function of one whose first argument is a map viewed as windows.
            (Compiled code that views the map itself divides integers for every pixel.)
    """

    def __init__(self, compiled: Callable[[_Function], _Function] = lambda f: f) -> None:
        self._forward = compiled(_forward)
        self._backward = compiled(_backward)
        self._tangent_forward = compiled(_tangent_forward)
        self._tangent_backward = compiled(_tangent_backward)
        self._gate = compiled(_gate)
        self._gate_transpose = compiled(_gate_transpose)

    def forward(
        self, z: Map, relu: bool, pool: int, eps: float, scale: Tensor, shift: Tensor
    ) -> tuple[Pooled, SavedForward]:
        """Give ``p``."""
        windows = _PoolWindows(z, pool)
        p, mean, r = self._forward(windows.view(z), relu, eps, scale, shift)
        return windows.pool(p), SavedForward(mean, r, scale, shift)

    def backward(
        self, z: Map, relu: bool, pool: int, saved: SavedForward, dp: Pooled
    ) -> tuple[Map, SavedBackward]:
        """Give ``dz``."""
        windows = _PoolWindows(z, pool)
        dz, b, g = self._backward(windows.view(z), relu, *saved, windows.unpool(dp))
        return dz.reshape(z.shape), SavedBackward(dp, b, g)

    def tangent_forward(
        self,
        z: Map,
        relu: bool,
        pool: int,
        saved: SavedForward,
        z1: Map,
        z2: Map | None,
        scale_: Statistic | None,
        shift_: Statistic | None,
    ) -> tuple[Pooled, SavedTangent]:
        """Give ``p'`` for ``z' = z1 + z2``; a part of the direction that is None is zero."""
        windows = _PoolWindows(z, pool)
        both = windows.view(z1), None if z2 is None else windows.view(z2)
        p_, z_, mean_, q = self._tangent_forward(
            windows.view(z), relu, *saved, *both, scale_, shift_
        )
        z_ = z1 if z_ is None else z_.reshape(z.shape)
        return windows.pool(p_), SavedTangent(z_, mean_, q, scale_)

    def tangent_backward(
        self,
        z: Map,
        relu: bool,
        pool: int,
        saved: SavedForward,
        back: SavedBackward,
        tangent: SavedTangent,
        dp1: Pooled,
        dp2: Pooled | None,
    ) -> Map:
        """Give ``dz'`` for ``dp' = dp1 + dp2``."""
        windows = _PoolWindows(z, pool)
        back = back._replace(dp=windows.unpool(back.dp))
        tangent = tangent._replace(z=windows.view(tangent.z))
        both = windows.unpool(dp1), windows.unpool(dp2)
        dz_ = self._tangent_backward(windows.view(z), relu, *saved, *back, *tangent, *both)
        return dz_.reshape(z.shape)

    def gate(self, z: Map, relu: bool, pool: int, x1: Map, x2: Map | None) -> Pooled:
        """Pool ``x1 + x2`` where ``z`` is positive; ``x`` is ``z`` itself or its tangent."""
        windows = _PoolWindows(z, pool)
        both = windows.view(x1), None if x2 is None else windows.view(x2)
        return windows.pool(self._gate(windows.view(z), relu, *both))

    def gate_transpose(self, z: Map, relu: bool, pool: int, dp1: Pooled, dp2: Pooled | None) -> Map:
        """Take ``dp1 + dp2`` back through ``gate``."""
        windows = _PoolWindows(z, pool)
        both = windows.unpool(dp1), windows.unpool(dp2)
        return self._gate_transpose(windows.view(z), relu, *both).reshape(z.shape)


class _PoolWindows:
    """Views maps of the shape of ``z`` as the windows that a pool averages.

    The functions of blocks take windows and give one value for each window, or the reverse. If
    windows do not fill the map, each pixel is a window, and this class pools and spreads values.
    """

    def __init__(self, z: Map, pool: int) -> None:
        self._pool = pool
        self._height, self._width = z.shape[1:3]
        self._fills = self._height % pool == 0 and self._width % pool == 0

    def view(self, z: Map) -> _Windows:
        """The map as windows."""
        example, height, width, channel = z.shape
        side = self._pool if self._fills else 1
        return z.reshape(example, height // side, side, width // side, side, channel)

    def pool(self, y: Tensor) -> Pooled:
        """One value for each window; the last rows and columns that fill no window are dropped."""
        if self._fills:
            return y
        return functional.avg_pool2d(y.permute(0, 3, 1, 2), self._pool).permute(0, 2, 3, 1)

    def unpool(self, dp: Pooled | None) -> Tensor | None:
        """Transpose of ``pool``: each pixel gets its share, and dropped pixels get zero."""
        if dp is None or self._fills:
            return dp
        pool, (example, height, width, channel) = self._pool, dp.shape
        up = (dp / pool**2)[:, :, None, :, None].expand(-1, -1, pool, -1, pool, -1)
        up = up.reshape(example, pool * height, pool * width, channel)
        over = (0, 0, 0, self._width - pool * width, 0, self._height - pool * height)
        return functional.pad(up, over)


# Below, maps are windows, and pooled maps [example, pooled_height, pooled_width, channel].


def _forward(
    z: _Windows, relu: bool, eps: float, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    z_float = _float(z)
    mean = _mean(z_float)
    c = z_float - _per_pixel(mean)
    r = (_mean(c * c) + eps).rsqrt()
    y = c * _per_pixel(r * scale) + shift
    return _pool(y.relu() if relu else y).to(z.dtype), mean, r


def _backward(
    z: _Windows,
    relu: bool,
    mean: Tensor,
    r: Tensor,
    scale: Tensor,
    shift: Tensor,
    dp: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    c, gain = _float(z) - _per_pixel(mean), r * scale
    dy = _relu_mask(c * _per_pixel(gain) + shift, _share(_float(dp), z), relu)
    b, g = _mean(dy), r * _mean(dy * c)
    dz = (dy - _per_pixel(b)) * _per_pixel(gain) - c * _per_pixel(gain * r * g)
    return dz.to(z.dtype), b, g


def _tangent_forward(
    z: _Windows,
    relu: bool,
    mean: Tensor,
    r: Tensor,
    scale: Tensor,
    shift: Tensor,
    z1: _Windows,
    z2: _Windows | None,
    scale_: Tensor | None,
    shift_: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    z_ = _sum(z1, z2)
    c, gain = _float(z) - _per_pixel(mean), r * scale
    mean_, q = _mean(z_), r * _mean(c * z_)
    gain_ = _tangent_of_gain(r, q, scale, scale_)
    y_ = (z_ - _per_pixel(mean_)) * _per_pixel(gain) + c * _per_pixel(gain_)
    if shift_ is not None:
        y_ = y_ + _per_pixel(shift_)
    y_ = _relu_mask(c * _per_pixel(gain) + shift, y_, relu)
    # A copy of z1 would be the largest tensor that is written here.
    return _pool(y_).to(z.dtype), None if z2 is None else z_.to(z.dtype), mean_, q


def _tangent_backward(
    z: _Windows,
    relu: bool,
    mean: Tensor,
    r: Tensor,
    scale: Tensor,
    shift: Tensor,
    dp: Tensor,
    b: Tensor,
    g: Tensor,
    z_: _Windows,
    mean_: Tensor,
    q: Tensor,
    scale_: Tensor | None,
    dp1: Tensor,
    dp2: Tensor | None,
) -> Tensor:
    c, c_ = _float(z) - _per_pixel(mean), _float(z_) - _per_pixel(mean_)
    gain, gain_ = r * scale, _tangent_of_gain(r, q, scale, scale_)
    y = c * _per_pixel(gain) + shift
    dy = _relu_mask(y, _share(_float(dp), z), relu)
    dy_ = _relu_mask(y, _share(_sum(dp1, dp2), z), relu)
    b_, g_ = _mean(dy_), r * (_mean(dy_ * c + dy * c_) - q * g)
    along_c = r * (gain_ * g + gain * g_ - gain * r * q * g)
    dz_ = (dy - _per_pixel(b)) * _per_pixel(gain_) + (dy_ - _per_pixel(b_)) * _per_pixel(gain)
    dz_ = dz_ - c * _per_pixel(along_c) - c_ * _per_pixel(gain * r * g)
    return dz_.to(z.dtype)


def _tangent_of_gain(r: Tensor, q: Tensor, scale: Tensor, scale_: Tensor | None) -> Tensor:
    slope = -r * r * q * scale
    return slope if scale_ is None else slope + r * scale_


def _gate(z: _Windows, relu: bool, x1: _Windows, x2: _Windows | None) -> Tensor:
    return _pool(_relu_mask(z, _sum(x1, x2), relu)).to(z.dtype)


def _gate_transpose(z: _Windows, relu: bool, dp1: Tensor, dp2: Tensor | None) -> Tensor:
    return _relu_mask(z, _share(_sum(dp1, dp2), z), relu).expand(z.shape).to(z.dtype)


def _float(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _sum(x: Tensor, y: Tensor | None) -> Tensor:
    return _float(x) if y is None else _float(x) + _float(y)


def _relu_mask(y: Tensor, x: Tensor, relu: bool) -> Tensor:
    """``x`` where ``y`` is positive, and zero elsewhere, if there is a ReLU."""
    return torch.where(y > 0, x, 0) if relu else x


def _mean(x: _Windows) -> Tensor:
    """The mean over pixels."""
    return x.sum(dim=(1, 2, 3, 4)) * (1 / (x.shape[1] * x.shape[2] * x.shape[3] * x.shape[4]))


def _per_pixel(statistic: Tensor) -> Tensor:
    """Shaped to be broadcast over pixels."""
    return statistic[:, None, None, None, None]


def _pool(y: _Windows) -> Tensor:
    return y.sum(dim=(2, 4)) * (1 / (y.shape[2] * y.shape[4]))


def _share(dp: Tensor, z: _Windows) -> Tensor:
    """The share of each pixel of a window, as one value that is never written to memory."""
    return (dp * (1 / (z.shape[2] * z.shape[4])))[:, :, None, :, None]


EAGER = Blocks()
