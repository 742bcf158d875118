"""Convolutions and linear layers: linear in their input, and linear in their weights.

Maps are channels-last, ``[example, height, width, channel]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor, nn


def flatten(a: Tensor, dtype: torch.dtype) -> Tensor:
    """A map as ``nn.Flatten`` gives it, channel by channel: ``[example, feature]``."""
    return a.permute(0, 3, 1, 2).flatten(1).to(dtype)


@dataclass(frozen=True, kw_only=True)
class ConvMap:
    """A convolution. The dtype of its weights is that of its maps."""

    w: Tensor  # [out_channel, in_channel, kernel_height, kernel_width]
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]

    def with_weights(self, w: Tensor, bias: Tensor | None) -> ConvMap:
        """The same convolution with other weights."""
        bias = None if bias is None else bias.to(self.w.dtype)
        return replace(self, w=w.to(self.w.dtype), bias=bias)

    def forward(self, a: Tensor, *, bias: bool) -> Tensor:
        """From input to output, with or without the bias."""
        found = nn.functional.conv2d(
            a.permute(0, 3, 1, 2), self.w, self.bias if bias else None, self.stride, self.padding
        )
        return found.permute(0, 2, 3, 1)

    @cached_property
    def _transposed(self) -> Tensor:
        """The kernel of the transposed convolution: saves 2 % of an inner step."""
        kernel = self.w.transpose(0, 1).flip(2, 3)
        return kernel.contiguous(memory_format=torch.channels_last)

    def input_gradient(self, dz: Tensor, a: Tensor) -> Tensor:
        """From the gradient of the output to that of the input ``a`` (only its shape matters)."""
        if self.stride != (1, 1):
            return self._backward(a, dz, 0).permute(0, 2, 3, 1)
        pad = [side - 1 - p for side, p in zip(self.w.shape[2:], self.padding, strict=True)]
        if min(pad) < 0:  # the outermost outputs saw only padding
            drop = [min(side, 0) for side in pad]
            dz = nn.functional.pad(dz, (0, 0, drop[1], drop[1], drop[0], drop[0]))
            pad = [max(side, 0) for side in pad]
        found = nn.functional.conv2d(dz.permute(0, 3, 1, 2), self._transposed, padding=pad)
        return found.permute(0, 2, 3, 1)

    def weight_gradient(self, a: Tensor, dz: Tensor) -> Tensor:
        """From input and gradient of the output to the gradient of ``w``, summed over examples."""
        return self._backward(a, dz, 1)

    def _backward(self, a: Tensor, dz: Tensor, which: int) -> Tensor:
        return torch.ops.aten.convolution_backward(
            dz.permute(0, 3, 1, 2), a.permute(0, 3, 1, 2), self.w, None,
            self.stride, self.padding, [1, 1], False, [0, 0], 1, [which == 0, which == 1, False],
        )[which]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MatrixMap:
    """A linear layer on flattened maps. Its weights and results are at least float32."""

    w: Tensor  # [out_feature, in_feature]
    bias: Tensor | None

    def with_weights(self, w: Tensor, bias: Tensor | None) -> MatrixMap:
        """The same layer with other weights."""
        bias = None if bias is None else bias.to(self.w.dtype)
        return MatrixMap(w=w.to(self.w.dtype), bias=bias)

    def forward(self, a: Tensor, *, bias: bool) -> Tensor:
        """From input to output ``[example, 1, 1, feature]``, with or without the bias."""
        x = flatten(a, self.w.dtype)
        return nn.functional.linear(x, self.w, self.bias if bias else None)[:, None, None]

    def input_gradient(self, dz: Tensor, a: Tensor) -> Tensor:
        """From the gradient of the output to that of the input ``a`` (only its shape matters)."""
        n, height, width, channel = a.shape
        found = (dz[:, 0, 0] @ self.w).to(a.dtype).reshape(n, channel, height, width)
        return found.permute(0, 2, 3, 1).contiguous()

    def weight_gradient(self, a: Tensor, dz: Tensor) -> Tensor:
        """From input and gradient of the output to the gradient of ``w``, summed over examples."""
        return dz[:, 0, 0].T @ flatten(a, self.w.dtype)


LinearMap: TypeAlias = ConvMap | MatrixMap
