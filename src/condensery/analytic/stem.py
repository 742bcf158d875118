r"""The first block of a network, for images that do not move.

Images are narrow and nothing is asked of their gradient, which makes the largest map of a network
cheap. With ``P`` the patches of an image, ``[pixel, patch]``, whose last used column is 1, the
convolution is ``z = P W`` and all statistics over pixels follow from ``M = P' P / pixels``; the
gradients of ``W``, scale and shift follow from ``G = P' dy``. So each pixel is read once on the way
up and once on the way down, and no statistic is reduced over pixels.

Its slow twin is the pair of steps that it stands for. Knows nothing about the rest of a network.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from condensery.analytic import plan
from condensery.analytic.blocks import Blocks
from condensery.analytic.maps import Kernel
from condensery.analytic.steps import Mapped, Normed, Step

__all__ = ["Stem", "stemmed"]

_TILE = 32
"""Patches are padded with zeros to a multiple of this: the depth of a tile of bfloat16."""


@dataclass(slots=True, kw_only=True)
class Stem(Step):
    """A convolution of the images and the block after it."""

    conv: plan.Conv
    norm: plan.Norm
    cut: Kernel  # gives the patch around a pixel, a one, and zeros
    one: int  # column of the one
    w: Tensor  # [patch, channel]
    shape: torch.Size  # of the convolution's weights
    scale: Tensor
    shift: Tensor
    blocks: Blocks
    patches: Tensor = field(init=False)  # [example, pixel, patch]
    z: Tensor = field(init=False)
    m: Tensor = field(init=False)
    mw: Tensor = field(init=False)  # M W
    mean: Tensor = field(init=False)  # of z
    r: Tensor = field(init=False)
    products: Tensor = field(init=False)  # G: [example, patch, channel]

    def up(self, *maps: Tensor) -> Tensor:
        """``p``, by ``blocks.stem``."""
        patches = self.cut.apply(maps[0], bias=True)
        self.patches, pixels = patches.flatten(1, 2), patches.shape[1] * patches.shape[2]
        self.z = (patches.flatten(0, 2) @ self.w).view(*patches.shape[:3], -1)
        wide = self.patches.to(self.scale.dtype)
        self.m = wide.transpose(1, 2) @ wide / pixels
        w = self.w.to(self.m.dtype)
        self.mw = self.m @ w
        self.mean = self.mw[:, self.one]
        var = (w * self.mw).sum(dim=1) - self.mean * self.mean
        self.r = (var.clamp(min=0) + self.norm.eps).rsqrt()  # may be rounded to below 0
        return self.blocks.stem(*self._at)

    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """No gradient of the images; ``dy`` by ``blocks.unstem``."""
        assert not pull, "the images of a stem do not move"
        self.blocks.unstem(*self._at, d)
        self.products = self.patches.transpose(1, 2) @ self.z.flatten(1, 2)
        return ()

    def weigh(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """``dW = P' dz``, ``dscale = sum(dy n)``, ``dshift = sum(dy)``, summed over examples."""
        pixels = self.patches.shape[1]
        m, mw, mean, r = self.m[rows], self.mw[rows], self.mean[rows], self.r[rows]
        products = self.products[rows].to(m.dtype)
        b = products[:, self.one] / pixels  # mean(dy)
        dyz = (self.w.to(m.dtype) * products).sum(dim=1) / pixels  # mean(dy z)
        g = r * (dyz - mean * b)  # mean(dy n)
        found: dict[str, Tensor] = {}
        if self.conv.weight in names:
            # dz = gain (dy - b - n g) with n = r (z - mean): its product with P, by M.
            gain = r * self.scale
            of_z = -pixels * gain * r * g
            of_one = -pixels * gain * b - of_z * mean
            dw = torch.addcmul(products * gain[:, None], mw, of_z[:, None]).sum(dim=0)
            dw += m[:, self.one].T @ of_one
            kernel = dw[: self.one].unflatten(0, (*self.shape[2:], self.shape[1]))
            found[self.conv.weight] = kernel.permute(3, 2, 0, 1).contiguous()
        for name, mean_ in ((self.norm.scale, g), (self.norm.shift, b)):
            if name is not None and name in names:
                found[name] = mean_.sum(dim=0) * pixels
        return found

    @property
    def _at(self) -> tuple[Tensor, bool, int, Tensor, Tensor]:
        """For the functions of ``blocks``: ``y = gain z + offset``."""
        gain = self.r * self.scale
        return self.z, self.norm.relu, self.norm.pool, gain, self.shift - self.mean * gain


def stemmed(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same steps with a ``Stem`` instead of the first two, where it can be and pays off."""
    match steps:
        case [
            Mapped(sources=(0,), node=plan.Conv() as conv, map=Kernel() as map_),
            Normed(sources=(1,)) as normed,
            *rest,
        ] if not any(1 in step.sources for step in rest):
            pass
        case _:
            return tuple(steps)
    channels, given, height, width = map_.w.shape
    one = given * height * width
    if one >= channels:
        return tuple(steps)  # patches would be larger than the map
    size = -(-(one + 1) // _TILE) * _TILE
    w = map_.w.new_zeros(size, channels)
    w[:one] = map_.w.permute(2, 3, 1, 0).reshape(one, channels)
    stem = Stem(
        sources=(0,),
        conv=conv,
        norm=normed.node,
        cut=_cutter(map_, size),
        one=one,
        w=w,
        shape=map_.w.shape,
        scale=normed.scale,
        shift=normed.shift,
        blocks=normed.blocks,
    )
    fewer = (
        replace(step, sources=tuple(max(source - 1, 0) for source in step.sources)) for step in rest
    )
    return stem, *fewer


def _cutter(like: Kernel, size: int) -> Kernel:
    """A convolution with ones: the fastest way to cut patches, and it adds the column of ones."""
    _, given, height, width = like.w.shape
    one = given * height * width
    w = like.w.new_zeros(size, height, width, given)
    w.view(size, one)[:one] = torch.eye(one, dtype=w.dtype, device=w.device)
    bias = w.new_zeros(size)
    bias[one] = 1
    return replace(like, w=w.permute(0, 3, 1, 2), bias=bias)
