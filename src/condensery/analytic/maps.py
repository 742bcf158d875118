"""Convolutions and linear layers as what they are: linear in their input and in their weights.

Each knows four things: itself, its transpose, the weight gradient (the outer product of what comes
up and what comes down), and how to be the same map with other weights. Maps are channels-last,
``[example, height, width, channel]``. Knows nothing about networks or groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["Kernel", "LinearMap", "Matrix", "rows"]


def rows(a: Tensor, dtype: torch.dtype) -> Tensor:
    """A map flattened as the network flattens it, channel by channel: ``[example, feature]``."""
    return a.permute(0, 3, 1, 2).flatten(1).to(dtype)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A convolution. The dtype of its weights is that of its maps."""

    w: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]

    def like(self, w: Tensor, bias: Tensor | None) -> Kernel:
        """The same with other weights."""
        bias = None if bias is None else bias.to(self.w.dtype)
        return replace(self, w=w.to(self.w.dtype), bias=bias)

    def apply(self, a: Tensor, *, bias: bool) -> Tensor:
        """From input to output."""
        found = nn.functional.conv2d(
            a.permute(0, 3, 1, 2), self.w, self.bias if bias else None, self.stride, self.padding
        )
        return found.permute(0, 2, 3, 1)

    @cached_property
    def _turned(self) -> Tensor:
        """The kernel whose convolution is the transpose: faster than the backward operator."""
        turned = self.w.transpose(0, 1).flip(2, 3)
        return turned.contiguous(memory_format=torch.channels_last)

    def transpose(self, dz: Tensor, a: Tensor) -> Tensor:
        """From output back to an input of the shape of ``a``."""
        if self.stride != (1, 1):
            return self._backward(a, dz, 0).permute(0, 2, 3, 1)
        pad = [side - 1 - p for side, p in zip(self.w.shape[2:], self.padding, strict=True)]
        if min(pad) < 0:  # the outermost results saw padding only
            cut = [min(side, 0) for side in pad]
            dz = nn.functional.pad(dz, (0, 0, cut[1], cut[1], cut[0], cut[0]))
            pad = [max(side, 0) for side in pad]
        found = nn.functional.conv2d(dz.permute(0, 3, 1, 2), self._turned, padding=pad)
        return found.permute(0, 2, 3, 1)

    def outer(self, a: Tensor, dz: Tensor) -> Tensor:
        """The weight gradient, summed over examples."""
        return self._backward(a, dz, 1)

    def _backward(self, a: Tensor, dz: Tensor, which: int) -> Tensor:
        return torch.ops.aten.convolution_backward(
            dz.permute(0, 3, 1, 2), a.permute(0, 3, 1, 2), self.w, None,
            self.stride, self.padding, [1, 1], False, [0, 0], 1, [which == 0, which == 1, False],
        )[which]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A linear layer on flattened maps; its weights and results are at least float32."""

    w: Tensor
    bias: Tensor | None

    def like(self, w: Tensor, bias: Tensor | None) -> Matrix:
        """The same with other weights."""
        bias = None if bias is None else bias.to(self.w.dtype)
        return Matrix(w=w.to(self.w.dtype), bias=bias)

    def apply(self, a: Tensor, *, bias: bool) -> Tensor:
        """From input to output, ``[example, 1, 1, feature]``."""
        found = nn.functional.linear(rows(a, self.w.dtype), self.w, self.bias if bias else None)
        return found[:, None, None]

    def transpose(self, dz: Tensor, a: Tensor) -> Tensor:
        """From output back to an input of the shape of ``a``."""
        n, height, width, channel = a.shape
        found = (dz[:, 0, 0] @ self.w).to(a.dtype).reshape(n, channel, height, width)
        return found.permute(0, 2, 3, 1).contiguous()

    def outer(self, a: Tensor, dz: Tensor) -> Tensor:
        """The weight gradient, summed over examples."""
        return dz[:, 0, 0].T @ rows(a, self.w.dtype)


LinearMap: TypeAlias = Kernel | Matrix
