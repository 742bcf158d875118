r"""The first block of a network, for images whose gradient is not needed.

Images have few channels, which makes the largest map of a network cheap. With ``P`` the patches of
an image, ``[pixel, patch]``, whose last used column is 1, the convolution is ``z = P W``, and all
statistics over pixels follow from ``M = P' P / pixels``. The gradients of ``W``, scale and shift
follow from ``G = P' dy``. So each pixel is read once forward and once backward, and no statistic is
a sum over the pixels of a wide map.

The reference is the pair of layers that it replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from condensery.engines.fused import plan
from condensery.engines.fused.blocks import Blocks
from condensery.engines.fused.layers import Layer, LinearLayer, NormLayer
from condensery.engines.fused.linear import ConvMap

__all__ = ["FirstBlock", "with_first_block"]

_TILE = 32
"""Patches are padded with zeros to a multiple of this: the depth of a bfloat16 matrix tile."""


@dataclass(slots=True, kw_only=True)
class FirstBlock(Layer):
    """A convolution of the images and the block after it."""

    conv: plan.Conv
    norm: plan.Norm
    patch_map: ConvMap  # gives the patch around a pixel, a one, and zeros
    one: int  # column of patches that is 1
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

    def forward(self, *maps: Tensor) -> Tensor:
        """``p``, by ``blocks.first_forward``."""
        patches = self.patch_map.forward(maps[0], bias=True)
        self.patches, pixels = patches.flatten(1, 2), patches.shape[1] * patches.shape[2]
        self.z = (patches.flatten(0, 2) @ self.w).view(*patches.shape[:3], -1)
        p = self.patches.to(self.scale.dtype)
        self.m = p.transpose(1, 2) @ p / pixels
        w = self.w.to(self.m.dtype)
        self.mw = self.m @ w
        self.mean = self.mw[:, self.one]
        var = (w * self.mw).sum(dim=1) - self.mean * self.mean
        self.r = (var.clamp(min=0) + self.norm.eps).rsqrt()  # rounding may give less than 0
        return self.blocks.first_forward(*self._block)

    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """``dy``, by ``blocks.first_backward``; no gradient of the images."""
        assert not input_gradient, "this layer gives no gradient of the images"
        self.blocks.first_backward(*self._block, d)
        self.products = self.patches.transpose(1, 2) @ self.z.flatten(1, 2)
        return ()

    def weight_gradient(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
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
    def _block(self) -> tuple[Tensor, bool, int, Tensor, Tensor]:
        """The first arguments of the functions of blocks; ``y = gain z + offset``."""
        gain = self.r * self.scale
        return self.z, self.norm.relu, self.norm.pool, gain, self.shift - self.mean * gain


def with_first_block(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with a ``FirstBlock`` in the place of the first two, where that is faster.

    It is where the first layer is a convolution that only a norm reads, and its patches have fewer
    numbers than it has channels.

    Args:
        layers: Of a whole plan, for images whose gradient is not needed.
    """
    match layers:
        case [
            LinearLayer(sources=(0,), node=plan.Conv() as conv, map=ConvMap() as map_),
            NormLayer(sources=(1,)) as norm,
            *rest,
        ] if not any(1 in layer.sources for layer in rest):
            pass
        case _:
            return tuple(layers)
    channels, given, height, width = map_.w.shape
    one = given * height * width
    if one >= channels:
        return tuple(layers)  # patches would be larger than the map
    size = -(-(one + 1) // _TILE) * _TILE
    w = map_.w.new_zeros(size, channels)
    w[:one] = map_.w.permute(2, 3, 1, 0).reshape(one, channels)
    first = FirstBlock(
        sources=(0,),
        conv=conv,
        norm=norm.node,
        patch_map=_patch_map(map_, size),
        one=one,
        w=w,
        shape=map_.w.shape,
        scale=norm.scale,
        shift=norm.shift,
        blocks=norm.blocks,
    )
    renumbered = (
        replace(layer, sources=tuple(max(source - 1, 0) for source in layer.sources))
        for layer in rest
    )
    return first, *renumbered


def _patch_map(like: ConvMap, size: int) -> ConvMap:
    """A convolution with zeros and ones that gives patches: the fastest way to cut them."""
    _, given, height, width = like.w.shape
    one = given * height * width
    w = like.w.new_zeros(size, height, width, given)
    w.view(size, one)[:one] = torch.eye(one, dtype=w.dtype, device=w.device)
    bias = w.new_zeros(size)
    bias[one] = 1
    return replace(like, w=w.permute(0, 3, 1, 2), bias=bias)
