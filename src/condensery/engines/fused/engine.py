"""The fused engine: per-group gradients of a ConvNet and their image gradient, without autograd.

The forward pass yields one weight gradient per cell (examples that belong to the same groups), so
every prefix of a set comes from one pass. The backward pass is Pearlmutter's R-operator: with ``V``
the gradient of a distance with respect to the weight gradient ``g_w(x)``, the image gradient is
``grad_x <V, g_w(x)>``, a directional derivative in weight space. No double backward, no graph, no
weight gradient that nobody asked for; hence it can be compiled and run in bfloat16.

The optimised twin of ``condensery.engines.autograd``, which stays the reference.
Knows nothing about distances, classes or sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from condensery.engines.fused.blocks import EAGER, Blocks
from condensery.engines.fused.compiled import compiled
from condensery.engines.fused.plan import Plan, plan, refuse
from condensery.engines.fused.sweep import (
    Piece,
    Trace,
    Weights,
    fall,
    image_gradient,
    rise,
    sweep,
    weight_gradients,
)
from condensery.engines.one_pass import cells
from condensery.errors import ConfigError, nearest
from condensery.types import Groups

__all__ = ["Fused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """One pass for all groups, an analytic second order; ConvNets only.

    Attributes:
        precision: ``"fp32"`` computes in the dtype of the images (float32, or float64 if that is
            what it is given); ``"bf16"`` keeps feature maps and convolutions in bfloat16, with
            statistics, softmax and results in float32.
        compile: Whether blocks are compiled by ``torch.compile``; needs a C++ compiler.
        batch: Images per sweep, at least 1: the memory knob. The result does not depend on it
            beyond rounding.
    """

    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    batch: int = 64

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(
                f'engine "fused" got precision = {self.precision!r}; it knows "fp32" and "bf16".'
                + nearest(str(self.precision), ["fp32", "bf16"])
            )
        if self.batch < 1:
            raise ConfigError(
                f'engine "fused" got batch = {self.batch}; a sweep needs at least 1 image. '
                "64 is the default."
            )

    def gradients(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        groups: Groups,
        *,
        names: Sequence[str],
    ) -> dict[str, Tensor]:
        """See ``Engine.gradients``.

        Raises:
            UnsupportedNetwork: If ``network`` is not a ConvNet.
        """
        job = self._job(network, images, labels, groups, names)
        if images.requires_grad:
            found = _Gradients.apply(images, job)
        else:
            with torch.no_grad():
                found, _ = job.gradients(images, keep=False)
        return dict(zip(names, found, strict=True))

    def features(self, network: nn.Module, images: Tensor) -> Tensor:
        """See ``Engine.features``; differentiable once.

        Raises:
            UnsupportedNetwork: If ``network`` is not a ConvNet.
        """
        weights = self._weights(network, images)
        found: Tensor = _Features.apply(images, weights, self._blocks(), self.batch)
        return found

    def _blocks(self) -> Blocks:
        return compiled() if self.compile else EAGER

    def _weights(self, network: nn.Module, images: Tensor) -> Weights:
        wide = torch.float64 if images.dtype == torch.float64 else torch.float32
        shape = plan(network)
        _hold_to_plan(network, shape, images[:1].detach().to(wide))
        dtype = torch.bfloat16 if self.precision == "bf16" else wide
        return Weights.of(network, shape, dtype=dtype, wide=wide)

    def _job(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        groups: Groups,
        names: Sequence[str],
    ) -> _Job:
        weights = self._weights(network, images)
        wide = weights.head.dtype
        if not labels.is_floating_point():
            labels = nn.functional.one_hot(labels, weights.head.shape[0])
        of_cell, share = cells(groups.member)
        return _Job(
            weights=weights,
            shapes={name: network.get_parameter(name).shape for name in names},
            targets=labels.to(wide),
            order=torch.cat(of_cell),
            sweeps=_sweeps([len(rows) for rows in of_cell], self.batch),
            share=share.to(wide) / groups.member.sum(dim=1, keepdim=True),
            blocks=self._blocks(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One call of ``gradients``, ready to run over any images of the same shape."""

    weights: Weights
    shapes: dict[str, torch.Size]
    targets: Tensor  # [example, class_]
    order: Tensor  # examples sorted by cell
    sweeps: list[list[Piece]]
    share: Tensor  # [group, cell]: membership over group size
    blocks: Blocks

    def gradients(self, images: Tensor, *, keep: bool) -> tuple[tuple[Tensor, ...], list[Trace]]:
        """Weight gradient per group, in the order of ``shapes``; traces only if ``keep``."""
        x = _lay_out(images[self.order], self.weights)
        targets = self.targets[self.order]
        of_cell = {
            name: self.share.new_zeros(self.share.shape[1], *shape)
            for name, shape in self.shapes.items()
        }
        traces: list[Trace] = []
        start = 0
        for pieces in self.sweeps:
            rows = slice(start, start + pieces[-1].stop)
            start = rows.stop
            trace = sweep(self.weights, x[rows], targets[rows], blocks=self.blocks)
            weight_gradients(self.weights, trace, pieces, into=of_cell)
            if keep:
                traces.append(trace)
        return tuple(torch.tensordot(self.share, g, dims=1) for g in of_cell.values()), traces

    def image_gradient(self, upstream: Sequence[Tensor], traces: Sequence[Trace]) -> Tensor:
        """Pull ``upstream`` (per name, ``[group, *shape]``) back to the images."""
        direction = {
            name: torch.tensordot(self.share.T, v.to(self.share.dtype), dims=1)
            for name, v in zip(self.shapes, upstream, strict=True)
        }
        found = [
            image_gradient(self.weights, trace, pieces, direction=direction, blocks=self.blocks)
            for trace, pieces in zip(traces, self.sweeps, strict=True)
        ]
        found = _lay_back(torch.cat(found), self.weights)
        full = found.new_zeros(len(self.targets), *found.shape[1:], dtype=self.share.dtype)
        return full.index_copy(0, self.order, found.to(full.dtype))


class _Gradients(torch.autograd.Function):
    """Weight gradients whose backward pass is the R-operator."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, job: _Job) -> tuple[Tensor, ...]:  # noqa: ANN401
        ctx.job, ctx.dtype = job, images.dtype
        found, ctx.traces = job.gradients(images, keep=True)
        return found

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *upstream: Tensor,
    ) -> tuple[Tensor, None]:
        return ctx.job.image_gradient(upstream, ctx.traces).to(ctx.dtype), None


class _Features(torch.autograd.Function):
    """Features of the last block; its backward pass is the first-order one."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        images: Tensor,
        weights: Weights,
        blocks: Blocks,
        batch: int,
    ) -> Tensor:
        ctx.weights, ctx.blocks, ctx.dtype, ctx.ups = weights, blocks, images.dtype, []
        found: list[Tensor] = []
        for rows in images.split(batch):
            last, up = rise(weights, _lay_out(rows, weights), blocks=blocks)
            found.append(last)
            if ctx.needs_input_grad[0]:
                ctx.ups.append(up)
        last = torch.cat(found)
        ctx.shape = last.shape
        return last.permute(0, 3, 1, 2).flatten(1).to(weights.head.dtype)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        upstream: Tensor,
    ) -> tuple[Tensor, None, None, None]:
        weights, (example, height, width, channel) = ctx.weights, ctx.shape
        dp = upstream.to(weights.conv[0].dtype).reshape(example, channel, height, width)
        parts = dp.permute(0, 2, 3, 1).contiguous().split([len(up[0].a) for up in ctx.ups])
        found = [
            fall(weights, up, part, blocks=ctx.blocks)
            for up, part in zip(ctx.ups, parts, strict=True)
        ]
        return _lay_back(torch.cat(found), weights).to(ctx.dtype), None, None, None


_HELD: WeakSet[nn.Module] = WeakSet()  # an eager forward per call would cost more than it saves


def _hold_to_plan(network: nn.Module, shape: Plan, image: Tensor) -> None:
    """Raise unless a network that is new here says for ``image`` what its plan says."""
    if network in _HELD:
        return
    weights = Weights.of(network, shape, dtype=image.dtype, wide=image.dtype)
    with torch.no_grad():
        own = network(image)
        targets = image.new_zeros(1, len(weights.head))
        ours = sweep(weights, _lay_out(image, weights), targets, blocks=EAGER).logits
    scale = own.abs().max() + 1
    if own.shape != ours.shape or not torch.allclose(own / scale, ours / scale, atol=1e-3):
        refuse(network, "", network, "does more in its forward than its modules show")
    _HELD.add(network)


def _lay_out(images: Tensor, weights: Weights) -> Tensor:
    """Channels-last, in the working dtype, with the border of the first convolution."""
    border = weights.plan.border
    x = images.to(weights.conv[0].dtype).permute(0, 2, 3, 1)
    return nn.functional.pad(x, (0, 0, border, border, border, border)).contiguous()


def _lay_back(images: Tensor, weights: Weights) -> Tensor:
    """Transpose of ``_lay_out``, for gradients."""
    border = weights.plan.border
    height, width = images.shape[1:3]
    inner = images[:, border : height - border, border : width - border]
    return inner.permute(0, 3, 1, 2)


def _sweeps(counts: Sequence[int], batch: int) -> list[list[Piece]]:
    """Cut cells of these sizes, laid end to end, into batches of at most ``batch`` examples."""
    sweeps: list[list[Piece]] = [[]]
    filled = 0
    for cell, count in enumerate(counts):
        # A cell that fits a batch stays whole; a larger one is cut evenly.
        cuts = -(-count // batch)
        for cut in range(cuts):
            length = count * (cut + 1) // cuts - count * cut // cuts
            if filled + length > batch and sweeps[-1]:
                sweeps.append([])
                filled = 0
            sweeps[-1].append(Piece(cell=cell, start=filled, stop=filled + length))
            filled += length
    return sweeps
