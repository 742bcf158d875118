"""Through the whole network and back for one batch of examples, and the derivative of that.

``rise`` and ``fall`` are the way up to the last map and back to the images; ``sweep`` is a forward
and a first-order backward of the cross-entropy; ``weight_gradients`` reads off what each *piece*
of the batch (a slice of examples of one cell) contributes to the gradient of a parameter;
``image_gradient`` is the R-operator: the derivative of the image gradient along a direction of the
parameters that may differ from piece to piece. No graph is built anywhere.

A convolution's bias does nothing here: the instance norm after it removes it, exactly.
Knows nothing about groups or autograd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.engines.fused.blocks import Blocks
from condensery.engines.fused.plan import Block, Plan

__all__ = [
    "Piece",
    "Trace",
    "Up",
    "Weights",
    "fall",
    "image_gradient",
    "rise",
    "sweep",
    "weight_gradients",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Examples ``start:stop`` of a batch; all belong to ``cell``."""

    cell: int
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """The examples as a slice."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A ConvNet's parameters, laid out: channels-last, convolutions in the working dtype."""

    plan: Plan
    conv: tuple[Tensor, ...]
    turned: tuple[Tensor, ...]  # transposed and rotated: the convolution that goes backwards
    scale: tuple[Tensor, ...]
    shift: tuple[Tensor, ...]
    head: Float[Tensor, "class_ feature"]  # features ordered height, width, channel
    head_bias: Float[Tensor, "class_"]

    @classmethod
    def of(
        cls, network: nn.Module, plan: Plan, *, dtype: torch.dtype, wide: torch.dtype
    ) -> Weights:
        """Lay out the parameters of ``network``."""
        given = {name: p.detach() for name, p in network.named_parameters()}
        conv = [given[f"{b.conv}.weight"].to(dtype) for b in plan.blocks]
        head = given[f"{plan.head}.weight"].to(wide)
        bias = given.get(f"{plan.head}.bias", head.new_zeros(len(head))).to(wide)
        return cls(
            plan=plan,
            conv=tuple(w.contiguous(memory_format=torch.channels_last) for w in conv),
            turned=tuple(_turn(w) for w in conv),
            scale=tuple(given[f"{b.norm}.weight"].to(wide) for b in plan.blocks),
            shift=tuple(given[f"{b.norm}.bias"].to(wide) for b in plan.blocks),
            head=_channels_last(head, conv[-1].shape[0]),
            head_bias=bias,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """What the way up leaves behind in one block."""

    a: Tensor  # its input
    z: Tensor  # after the convolution
    mean: Tensor
    r: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Down:
    """What the way down leaves behind in one block."""

    dp: Tensor  # gradient of its output
    dz: Tensor
    b: Tensor
    g: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One sweep over one batch."""

    up: list[Up]
    down: list[_Down]
    features: Tensor  # [example, feature]
    logits: Tensor  # [example, class_]
    probabilities: Tensor  # [example, class_]
    mass: Tensor  # [example, 1], sum of the label's probabilities
    dlogits: Tensor  # [example, class_]


def rise(weights: Weights, images: Tensor, *, blocks: Blocks) -> tuple[Tensor, list[Up]]:
    """The map of the last block, and what the way up leaves behind.

    Images and map are channels-last, ``[example, height, width, channel]``.
    """
    up: list[Up] = []
    a = images
    for block, w, scale, shift in zip(
        weights.plan.blocks, weights.conv, weights.scale, weights.shift, strict=True
    ):
        z = _conv(a, w)
        p, mean, r = blocks.forward(z, scale, shift, block.eps)
        up.append(Up(a=a, z=z, mean=mean, r=r))
        a = p
    return a, up


def _fall(weights: Weights, up: Sequence[Up], dp: Tensor, blocks: Blocks) -> list[_Down]:
    down: list[_Down] = []
    for depth in range(len(up) - 1, -1, -1):
        at, scale, shift = up[depth], weights.scale[depth], weights.shift[depth]
        dz, b, g = blocks.backward(at.z, at.mean, at.r, scale, shift, dp)
        down.append(_Down(dp=dp, dz=dz, b=b, g=g))
        if depth:
            dp = _conv(dz, weights.turned[depth])
    return down[::-1]


def fall(weights: Weights, up: Sequence[Up], dp: Tensor, *, blocks: Blocks) -> Tensor:
    """Pull the gradient of the last block's map back to the images; all channels-last."""
    return _conv(_fall(weights, up, dp, blocks)[0].dz, weights.turned[0])


def sweep(weights: Weights, images: Tensor, targets: Tensor, *, blocks: Blocks) -> Trace:
    """Forward, and backward of the *sum* of all examples' cross-entropy.

    Args:
        weights: The network.
        images: Channels-last, ``[example, height, width, channel]``, in the working dtype.
        targets: ``[example, class_]``, non-negative.
        blocks: The functions of a block.
    """
    last, up = rise(weights, images, blocks=blocks)
    features = last.flatten(1).to(weights.head.dtype)
    logits = torch.addmm(weights.head_bias, features, weights.head.T)
    probabilities, mass = logits.softmax(dim=1), targets.sum(dim=1, keepdim=True)
    dlogits = mass * probabilities - targets
    dp = (dlogits @ weights.head).to(last.dtype).reshape(last.shape)
    return Trace(
        up=up,
        down=_fall(weights, up, dp, blocks),
        features=features,
        logits=logits,
        probabilities=probabilities,
        mass=mass,
        dlogits=dlogits,
    )


def weight_gradients(
    weights: Weights, trace: Trace, pieces: Sequence[Piece], *, into: Mapping[str, Tensor]
) -> None:
    """Add what each piece contributes to ``into``: ``{parameter: [cell, *shape]}``.

    Only the parameters named in ``into`` are looked at.
    """
    plan = weights.plan
    for depth, (block, at, back) in enumerate(zip(plan.blocks, trace.up, trace.down, strict=True)):
        pixels = at.z.shape[1] * at.z.shape[2]
        conv = into.get(f"{block.conv}.weight")
        scale, shift = into.get(f"{block.norm}.weight"), into.get(f"{block.norm}.bias")
        for piece in pieces:
            if conv is not None:
                conv[piece.cell] += _conv_weight(
                    at.a[piece.rows], back.dz[piece.rows], weights.conv[depth]
                )
            if scale is not None:
                scale[piece.cell] += back.g[piece.rows].sum(dim=0) * pixels
            if shift is not None:
                shift[piece.cell] += back.b[piece.rows].sum(dim=0) * pixels
    head, bias = into.get(f"{plan.head}.weight"), into.get(f"{plan.head}.bias")
    for piece in pieces:
        dlogits = trace.dlogits[piece.rows]
        if head is not None:
            found = dlogits.T @ trace.features[piece.rows]
            head[piece.cell] += _channels_first(found, weights.conv[-1].shape[0])
        if bias is not None:
            bias[piece.cell] += dlogits.sum(dim=0)


def image_gradient(
    weights: Weights,
    trace: Trace,
    pieces: Sequence[Piece],
    *,
    direction: Mapping[str, Tensor],
    blocks: Blocks,
) -> Tensor:
    """Differentiate ``sum over pieces of <direction[cell], weight gradient of the piece>``.

    Args:
        weights: The network.
        trace: Of the same batch.
        pieces: Cover the batch, in order.
        direction: ``{parameter: [cell, *shape]}``; parameters that are absent count as zero.
        blocks: The functions of a block.

    Returns:
        With respect to the images, channels-last, ``[example, height, width, channel]``.
    """
    plan, up = weights.plan, trace.up
    along = [_Along.of(block, direction, pieces, up[0].z.dtype) for block in plan.blocks]

    a_: Tensor | None = None  # tangent of a block's input; the images themselves do not move
    tangents: list[tuple[Tensor, Tensor, Tensor]] = []
    for depth, (at, v) in enumerate(zip(up, along, strict=True)):
        parts = [] if v.conv is None else [v.convolve(at.a, v.conv, pieces)]
        if a_ is not None:
            parts.append(_conv(a_, weights.conv[depth]))
        a_, *tangent = blocks.tangent_forward(
            at.z, at.mean, at.r, weights.scale[depth], weights.shift[depth],
            parts[0] if parts else torch.zeros_like(at.z),
            parts[1] if len(parts) > 1 else None,
            v.scale, v.shift,
        )  # fmt: skip
        tangents.append((tangent[0], tangent[1], tangent[2]))
    assert a_ is not None

    head = direction.get(f"{plan.head}.weight")
    bias = direction.get(f"{plan.head}.bias")
    logits_ = a_.flatten(1).to(weights.head.dtype) @ weights.head.T
    if head is not None:
        head = torch.stack([_channels_last(cell, weights.conv[-1].shape[0]) for cell in head])
        logits_ = logits_ + _rowwise(trace.features, head.transpose(1, 2), pieces)
    if bias is not None:
        logits_ = logits_ + _per_example(bias, pieces)
    p = trace.probabilities
    dlogits_ = trace.mass * p * (logits_ - (p * logits_).sum(dim=1, keepdim=True))
    dfeatures_ = dlogits_ @ weights.head
    if head is not None:
        dfeatures_ = dfeatures_ + _rowwise(trace.dlogits, head, pieces)

    parts = [dfeatures_.to(a_.dtype).reshape(a_.shape)]
    for depth in range(len(up) - 1, -1, -1):
        at, back, v, (z_, mean_, q) = up[depth], trace.down[depth], along[depth], tangents[depth]
        dz_ = blocks.tangent_backward(
            at.z, at.mean, at.r, weights.scale[depth], weights.shift[depth],
            back.dp, back.b, back.g, z_, mean_, q, v.scale,
            parts[0], parts[1] if len(parts) > 1 else None,
        )  # fmt: skip
        parts = [_conv(dz_, weights.turned[depth])]
        if v.conv is not None:
            parts.append(v.convolve(back.dz, [_turn(w) for w in v.conv], pieces))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Along:
    """The direction in one block's parameters; what is None is zero."""

    conv: list[Tensor] | None  # a kernel per piece
    scale: Tensor | None  # [example, channel]
    shift: Tensor | None

    @classmethod
    def of(
        cls,
        block: Block,
        direction: Mapping[str, Tensor],
        pieces: Sequence[Piece],
        dtype: torch.dtype,
    ) -> _Along:
        conv = direction.get(f"{block.conv}.weight")
        scale = direction.get(f"{block.norm}.weight")
        shift = direction.get(f"{block.norm}.bias")
        return cls(
            conv=None if conv is None else [conv[piece.cell].to(dtype) for piece in pieces],
            scale=None if scale is None else _per_example(scale, pieces),
            shift=None if shift is None else _per_example(shift, pieces),
        )

    @staticmethod
    def convolve(maps: Tensor, kernels: Sequence[Tensor], pieces: Sequence[Piece]) -> Tensor:
        """Each piece with its own kernel."""
        found = [_conv(maps[piece.rows], w) for piece, w in zip(pieces, kernels, strict=True)]
        return found[0] if len(found) == 1 else torch.cat(found)


def _per_example(per_cell: Tensor, pieces: Sequence[Piece]) -> Tensor:
    return torch.cat([per_cell[p.cell].expand(p.stop - p.start, -1) for p in pieces])


def _rowwise(rows: Tensor, matrices: Tensor, pieces: Sequence[Piece]) -> Tensor:
    return torch.cat([rows[piece.rows] @ matrices[piece.cell] for piece in pieces])


def _conv(a: Tensor, w: Tensor) -> Tensor:
    found = nn.functional.conv2d(a.permute(0, 3, 1, 2), w, padding=1)
    return found.permute(0, 2, 3, 1)


def _conv_weight(a: Tensor, dz: Tensor, w: Tensor) -> Tensor:
    return torch.ops.aten.convolution_backward(
        dz.permute(0, 3, 1, 2), a.permute(0, 3, 1, 2), w, None,
        [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False],
    )[1]  # fmt: skip


def _turn(w: Tensor) -> Tensor:
    """The kernel whose convolution is the transpose of ``w``'s: faster than the backward op."""
    return w.transpose(0, 1).flip(2, 3).contiguous(memory_format=torch.channels_last)


def _channels_last(head: Tensor, channels: int) -> Tensor:
    """Reorder the columns from (channel, pixel) to (pixel, channel)."""
    return head.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)


def _channels_first(head: Tensor, channels: int) -> Tensor:
    return head.unflatten(1, (-1, channels)).transpose(1, 2).flatten(1)
