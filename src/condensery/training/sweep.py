"""A ConvNet's loss, logits and weight gradients without autograd: the fast twin of training.

Analytic, so that every piece can be compiled and cast to bfloat16, and every thread can take a part
of a batch. Large maps live in memory that a sweep keeps between its steps: fresh pages are the
slowest memory there is.
The first block, half of the time elsewhere, is built from products of patches (see ``blocks``).

Its slow twin is autograd through ``network``. Knows nothing about optimisers or augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from condensery.machine import keep_freed, side_by_side
from condensery.networks.convnet import ConvBlock, ConvNet
from condensery.training.blocks import blocks

__all__ = ["Sweep", "sweeps"]

_AT_A_TIME = 2**24
"""Bytes of the first block's map that are worked on at a time; smaller pieces are slower."""

_LEAST = 8
"""Images of a part of a batch that is worth a thread of its own."""

_TILE = 32
"""Patches are padded with zeros to a multiple of this: the depth of a tile of bfloat16."""


def sweeps(network: nn.Module) -> bool:
    """Whether a sweep knows ``network``: exactly our ConvNet with instance norm, on a CPU."""
    return (
        type(network) is ConvNet
        and all(_knows(block) for block in network.blocks)
        and next(network.parameters()).device.type == "cpu"
    )


def _knows(block: nn.Module) -> bool:
    norm = block.norm if type(block) is ConvBlock else None
    return (
        isinstance(norm, nn.GroupNorm)
        and norm.num_groups == norm.num_channels
        and norm.affine
        and type(block.activation) is nn.ReLU
        and type(block.pool) is nn.AvgPool2d
    )


class _Weights(NamedTuple):
    """What all parts of a batch share, in the working dtype."""

    first: Tensor  # [patch, channel]
    kernels: tuple[Tensor, ...]  # of the later blocks
    turned: tuple[Tensor, ...]  # whose convolutions are the transposes of theirs
    head: Tensor  # at least float32, for features ordered height, width, channel


class _First(NamedTuple):
    """What the way up leaves behind in the first block."""

    patches: Tensor  # [example, pixel, patch]
    z: Tensor  # after the convolution, if it was kept
    m: Tensor
    mw: Tensor
    mean: Tensor
    r: Tensor
    gain: Tensor
    offset: Tensor


class _Up(NamedTuple):
    """What the way up leaves behind in a later block."""

    a: Tensor  # its input
    z: Tensor  # after the convolution
    mean: Tensor
    r: Tensor


class Sweep:
    """One ConvNet; reads its parameters anew in every call.

    Args:
        network: One that ``sweeps`` accepts.
        precision: ``"bf16"`` keeps maps and kernels in bfloat16, with statistics, softmax and
            results in float32; ``"fp32"`` computes in the dtype of the parameters.
        compiled: Whether to compile what is not a matrix product; eagerly this is slow.
    """

    def __init__(self, network: ConvNet, *, precision: str, compiled: bool) -> None:
        self._network = network
        self._do = blocks(compiled=compiled)
        self._wide = next(network.parameters()).dtype
        self._dtype = torch.bfloat16 if precision == "bf16" else self._wide
        self._blocks = [_parts(block) for block in network.blocks]
        conv = self._blocks[0][0]
        self._one = 9 * conv.in_channels
        self._cut, self._cut_bias = _cutter(conv.in_channels, self._dtype)
        self._z = [torch.empty(0, dtype=self._dtype)]  # one a part of a batch
        keep_freed()

    @torch.no_grad()
    def logits(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """What the network says; at least float32."""
        logits = partial(self._logits, self._weights())
        return torch.cat(list(side_by_side(logits, *self._shares(images))))

    def _logits(self, weights: _Weights, part: int, images: Tensor) -> Tensor:
        _, a = self._first(weights, images, part, keep=False)
        for w, (_, norm) in zip(weights.kernels, self._blocks[1:], strict=True):
            a = self._do.block(_conv(a, w), norm.weight, norm.bias, norm.eps)[0]
        bias = self._network.classifier.bias
        return torch.addmm(bias, a.flatten(1).to(self._wide), weights.head.T)

    @torch.no_grad()
    def gradients(
        self,
        images: Float[Tensor, "example channel height width"],
        targets: Float[Tensor, "example class_"],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross-entropy and its gradient, ``{parameter: gradient}``.

        Every thread takes a part of the batch.

        Args:
            images: As the network sees them.
            targets: Non-negative; a row need not sum to 1.
        """
        summed = partial(self._summed, self._weights(), len(images))
        (loss, found), *others = side_by_side(summed, *self._shares(images, targets))
        for more, own in others:
            loss = loss + more
            for name, gradient in own.items():
                found[name] += gradient
        return loss, found

    def _weights(self) -> _Weights:
        (first, _), *later = self._blocks
        w = torch.zeros(len(self._cut), first.out_channels, dtype=self._dtype)
        w[: self._one] = first.weight.permute(2, 3, 1, 0).reshape(self._one, -1)
        kernels = tuple(_channels_last(conv.weight.to(self._dtype)) for conv, _ in later)
        head, channels = self._network.classifier.weight, self._blocks[-1][0].out_channels
        return _Weights(
            first=w,
            kernels=kernels,
            turned=tuple(_channels_last(kernel.transpose(0, 1).flip(2, 3)) for kernel in kernels),
            head=head.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1),
        )

    def _shares(self, *batch: Tensor) -> tuple[Sequence[Any], ...]:
        """A part for every thread: its number, and its share of the batch."""
        parts = max(1, min(torch.get_num_threads(), len(batch[0]) // _LEAST))
        self._z += [self._z[0].new_empty(0) for _ in range(parts - len(self._z))]
        return range(parts), *(whole.tensor_split(parts) for whole in batch)

    def _summed(
        self, weights: _Weights, count: int, part: int, images: Tensor, targets: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What a part adds to the mean cross-entropy of ``count`` images and to its gradient."""
        first, a = self._first(weights, images, part, keep=True)
        ups: list[_Up] = []
        for w, (_, norm) in zip(weights.kernels, self._blocks[1:], strict=True):
            z = _conv(a, w)
            p, mean, r = self._do.block(z, norm.weight, norm.bias, norm.eps)
            ups.append(_Up(a, z, mean, r))
            a = p
        features = a.flatten(1).to(self._wide)
        logits = torch.addmm(self._network.classifier.bias, features, weights.head.T)
        log_p = logits.log_softmax(dim=1)
        loss = -(targets * log_p).sum() / count
        dlogits = (targets.sum(dim=1, keepdim=True) * log_p.exp() - targets) / count
        found = {
            "classifier.weight": _channels_first(dlogits.T @ features, a.shape[3]),
            "classifier.bias": dlogits.sum(dim=0),
        }
        dp = (dlogits @ weights.head).to(self._dtype).view(a.shape)
        for depth in range(len(ups), 0, -1):
            dp = self._fall(weights, depth, ups.pop(), dp, found)
        self._fall_first(weights, first, dp, found)
        return loss, found

    def _first(
        self, weights: _Weights, images: Tensor, part: int, *, keep: bool
    ) -> tuple[_First, Tensor]:
        """Through the first block; its map stays in ``_z`` only if ``keep``."""
        conv, norm = self._blocks[0]
        x = images.to(self._dtype, memory_format=torch.channels_last)
        # A convolution with ones is the fastest way to cut patches, and adds the column of ones.
        patches = functional.conv2d(x, self._cut, self._cut_bias, padding=conv.padding)  # pyright: ignore[reportArgumentType]
        count, patch, height, width = patches.shape
        patches = patches.permute(0, 2, 3, 1).reshape(count, height * width, patch)
        channels = conv.out_channels
        m = torch.empty(count, patch, patch, dtype=self._wide)
        at_a_time = self._at_a_time(height * width * channels)
        for rows in _cuts(count, at_a_time):
            wide = patches[rows].to(self._wide)
            torch.bmm(wide.transpose(1, 2), wide, out=m[rows])
        m /= height * width
        mw, mean, r, gain, offset = self._do.first_statistics(
            m, weights.first.to(self._wide), norm.weight, norm.bias, norm.eps, self._one
        )
        room = (count if keep else min(count, at_a_time)) * height * width * channels
        if self._z[part].numel() < room:
            self._z[part] = patches.new_empty(room)
        z = self._z[part][:room].view(-1, height, width, channels)
        p = patches.new_empty(count, height // 2, width // 2, channels)
        for rows in _cuts(count, at_a_time):
            own = z[rows] if keep else z[: rows.stop - rows.start]
            torch.mm(patches[rows].flatten(0, 1), weights.first, out=own.view(-1, channels))
            self._do.first(own, gain[rows], offset[rows], p[rows])
        return _First(patches, z, m, mw, mean, r, gain, offset), p

    def _fall(
        self, weights: _Weights, depth: int, up: _Up, dp: Tensor, found: dict[str, Tensor]
    ) -> Tensor:
        """Back through block ``depth`` (not the first); gives the gradient of its input."""
        norm = self._blocks[depth][1]
        dz, b, g = self._do.block_back(up.z, up.mean, up.r, dp, norm.weight, norm.bias)
        pixels = up.z.shape[1] * up.z.shape[2]
        name = f"blocks.{depth}"
        found[f"{name}.conv.weight"] = _conv_weight(up.a, dz, weights.kernels[depth - 1]).to(
            self._wide
        )
        found[f"{name}.conv.bias"] = self._wide_zeros(dz.shape[3])
        found[f"{name}.norm.weight"] = g.sum(dim=0) * pixels
        found[f"{name}.norm.bias"] = b.sum(dim=0) * pixels
        return _conv(dz, weights.turned[depth - 1])

    def _fall_first(
        self, weights: _Weights, up: _First, dp: Tensor, found: dict[str, Tensor]
    ) -> None:
        conv, norm = self._blocks[0]
        count, pixels, patch = up.patches.shape
        channels = conv.out_channels
        products = up.patches.new_empty(count, patch, channels)
        for rows in _cuts(count, self._at_a_time(pixels * channels)):
            dy = up.z[rows]
            self._do.first_back(dy, up.gain[rows], up.offset[rows], dp[rows])
            patches = up.patches[rows].transpose(1, 2)
            torch.bmm(patches, dy.view(-1, pixels, channels), out=products[rows])
        dw, dscale, dshift = self._do.first_gradients(
            products, up.m, up.mw, up.mean, up.r, norm.weight,
            weights.first.to(self._wide), pixels, self._one,
        )  # fmt: skip
        dw = dw[: self._one].view(3, 3, conv.in_channels, channels).permute(3, 2, 0, 1)
        found["blocks.0.conv.weight"] = dw.contiguous()
        found["blocks.0.conv.bias"] = self._wide_zeros(channels)
        found["blocks.0.norm.weight"], found["blocks.0.norm.bias"] = dscale, dshift

    def _at_a_time(self, elements: int) -> int:
        """Examples whose maps of ``elements`` each are worked on together."""
        return max(1, _AT_A_TIME // (elements * self._dtype.itemsize))

    def _wide_zeros(self, count: int) -> Tensor:
        """The gradient of a convolution's bias: the norm after it removes it, exactly."""
        return torch.zeros(count, dtype=self._wide)


def _parts(block: nn.Module) -> tuple[nn.Conv2d, nn.GroupNorm]:
    conv, norm = block.get_submodule("conv"), block.get_submodule("norm")
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.GroupNorm)
    return conv, norm


def _cutter(channels: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A convolution that gives the 3x3 patch around every pixel, a one, and zeros."""
    one = 9 * channels
    size = -(-(one + 1) // _TILE) * _TILE
    kernel = torch.zeros(size, 3, 3, channels, dtype=dtype)
    kernel.view(size, one)[:one] = torch.eye(one, dtype=dtype)
    bias = torch.zeros(size, dtype=dtype)
    bias[one] = 1
    return kernel.permute(0, 3, 1, 2), bias


def _cuts(count: int, at_a_time: int) -> list[slice]:
    return [slice(at, min(at + at_a_time, count)) for at in range(0, count, at_a_time)]


def _channels_last(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def _conv(a: Tensor, w: Tensor) -> Tensor:
    return functional.conv2d(a.permute(0, 3, 1, 2), w, padding=1).permute(0, 2, 3, 1)


def _conv_weight(a: Tensor, dz: Tensor, w: Tensor) -> Tensor:
    return torch.ops.aten.convolution_backward(
        dz.permute(0, 3, 1, 2), a.permute(0, 3, 1, 2), w, None,
        [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False],
    )[1]  # fmt: skip


def _channels_first(head: Tensor, channels: int) -> Tensor:
    return head.unflatten(1, (-1, channels)).transpose(1, 2).flatten(1)
