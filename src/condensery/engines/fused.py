"""The fused engine: per-group gradients and their image gradient, without autograd.

The forward pass yields one weight gradient per cell (examples that belong to the same groups), so
every prefix of a set comes from one pass. The backward pass is Pearlmutter's R-operator: with ``V``
the gradient of a distance with respect to the weight gradient ``g_w(x)``, the image gradient is
``grad_x <V, g_w(x)>``, a directional derivative in weight space. No double backward, no graph, no
weight gradient that nobody asked for; hence it can be compiled and run in bfloat16.

The optimised twin of ``condensery.engines.autograd``, which stays the reference.
Knows nothing about distances, classes or sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from condensery.analytic.known import known
from condensery.analytic.maps import rows
from condensery.analytic.plan import Node
from condensery.analytic.shares import shares, usual_batch
from condensery.analytic.steps import Along, Piece, Step
from condensery.analytic.sweep import Swept, Trace, Weights, fall, image_gradient, rise, sweep
from condensery.engines.one_pass import cells
from condensery.errors import ConfigError, nearest
from condensery.parallel import map_threads
from condensery.types import Groups

__all__ = ["Fused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """One pass for all groups and an analytic second order, for the networks that ``plan`` knows.

    Attributes:
        precision: ``"fp32"`` computes in the dtype of the images (float32, or float64 if that is
            what it is given); ``"bf16"`` keeps feature maps and convolutions in bfloat16, with
            statistics, softmax and results in float32.
        compile: Whether blocks are compiled by ``torch.compile``; needs a C++ compiler.
        batch: Images that are swept at once, at least 1; on a CPU every thread has a sweep of its
            own and its share of them. None takes what ``usual_batch`` says: 64 in bfloat16
            and 32 otherwise, fewer of large images.
        kept: Images whose maps stay in memory from the gradient to the image gradient, 0 or more;
            those of the others are made again, which costs a third more. None keeps all.

    ``batch`` and ``kept`` are the memory knobs: results do not depend on them beyond rounding.
    """

    cuts: ClassVar[bool] = True

    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    batch: int | None = None
    kept: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(
                f'engine "fused" got precision = {self.precision!r}; it knows "fp32" and "bf16".'
                + nearest(str(self.precision), ["fp32", "bf16"])
            )
        if self.batch is not None and self.batch < 1:
            raise ConfigError(
                f'engine "fused" got batch = {self.batch}; a sweep needs at least 1 image. '
                "None takes 64 in bf16 and 32 in fp32, fewer of large images."
            )
        if self.kept is not None and self.kept < 0:
            raise ConfigError(
                f'engine "fused" got kept = {self.kept}; it keeps the maps of 0 images or more. '
                "None keeps all."
            )

    def at_once(self, images: Tensor) -> int:
        """Images of all sweeps that run at once; see ``Engine.at_once``."""
        return self.batch or usual_batch(self.precision, images)

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
            UnsupportedNetwork: If ``network`` does what ``plan`` does not know.
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
            UnsupportedNetwork: If ``network`` does what ``plan`` does not know.
        """
        nodes = known(network, images).features
        found: Tensor = _Features.apply(
            images, self._weights(network, nodes, images), self.at_once(images)
        )
        return found

    def within(self, budget: int, network: nn.Module, image: Tensor, label: Tensor) -> Fused:
        """The same engine with ``batch`` and ``kept`` such that a pass fits ``budget`` bytes.

        What one image leaves behind is measured, uncompiled. A pass takes that for every image
        that is kept, and twice for those of a sweep: their maps, and the tangents of these.
        Gradients of the parameters, one set a cell, come on top.

        Args:
            budget: Bytes.
            network: The matching network.
            image: One example as the network sees it, ``[1, channel, height, width]``.
            label: Its class, ``[1]``.

        Raises:
            ConfigError: If not even one image fits.
            UnsupportedNetwork: If ``network`` does what ``plan`` does not know.
        """
        one = Groups(member=torch.ones(1, 1, dtype=torch.bool), class_=label, size=label)
        job = replace(self, compile=False)._job(network, image, label, one, [])
        with torch.no_grad():
            (trace,) = job.gradients(image, keep=True)[1]
        assert trace is not None
        fits = budget // trace.bytes
        if fits < 2:
            raise ConfigError(
                f"memory = {budget:,} bytes, but a single image leaves {trace.bytes:,} behind in "
                f"{type(network).__name__}, and as much again on the way back. Give at least "
                f"{2 * trace.bytes:,}, or take a narrower network."
            )
        batch = min(self.at_once(image), fits // 2)
        return replace(self, batch=batch, kept=fits - 2 * batch)

    def _weights(self, network: nn.Module, nodes: Sequence[Node], images: Tensor) -> Weights:
        precision, compile_ = self.precision, self.compile
        return Weights.of(network, nodes, like=images, precision=precision, compile=compile_)

    def _job(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        groups: Groups,
        names: Sequence[str],
    ) -> _Job:
        found = known(network, images)
        weights = self._weights(network, found.logits, images)
        if not labels.is_floating_point():
            labels = nn.functional.one_hot(labels, found.classes)
        of_cell, share = cells(groups.member)
        return _Job(
            weights=weights,
            shapes={name: network.get_parameter(name).shape for name in names},
            targets=labels.to(weights.wide),
            order=torch.cat(of_cell),
            sweeps=shares([len(rows) for rows in of_cell], self.at_once(images), like=images),
            share=share.to(weights.wide) / groups.member.sum(dim=1, keepdim=True),
            kept=self.kept,
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
    kept: int | None

    def gradients(
        self, images: Tensor, *, keep: bool
    ) -> tuple[tuple[Tensor, ...], list[Trace | None]]:
        """Weight gradient per group, in the order of ``shapes``; the traces that are kept."""
        of_cell = {
            name: self.share.new_zeros(self.share.shape[1], *shape)
            for name, shape in self.shapes.items()
        }
        kept = len(self.order) if self.kept is None else self.kept
        parts = self._parts()
        stays = [keep and stop <= kept for stop in accumulate(len(part) for part in parts)]
        traces: list[Trace | None] = []
        swept = map_threads(partial(self._sweep, images, self.shapes), parts, self.sweeps, stays)
        for pieces, found in zip(self.sweeps, swept, strict=True):
            traces.append(found.trace)
            for piece, own in zip(pieces, found.gradients, strict=True):
                for name, gradient in own.items():
                    of_cell[name][piece.cell] += gradient
        return tuple(torch.tensordot(self.share, g, dims=1) for g in of_cell.values()), traces

    def _parts(self) -> Sequence[Tensor]:
        """The examples of every sweep."""
        return self.order.split([pieces[-1].stop for pieces in self.sweeps])

    def _sweep(
        self,
        images: Tensor,
        names: Collection[str],
        part: Tensor,
        pieces: Sequence[Piece],
        keep: bool,
    ) -> Swept:
        targets = self.targets[part]
        return sweep(self.weights, images[part], targets, pieces, names=names, keep=keep)

    def image_gradient(
        self, upstream: Sequence[Tensor], images: Tensor, traces: list[Trace | None]
    ) -> Tensor:
        """Pull ``upstream`` (per name, ``[group, *shape]``) back to the images.

        Traces are dropped as they are used; those that were not kept are made again.
        """
        direction = {
            name: torch.tensordot(self.share.T, v.to(self.share.dtype), dims=1)
            for name, v in zip(self.shapes, upstream, strict=True)
        }

        def one(number: int, part: Tensor, pieces: Sequence[Piece]) -> Tensor:
            trace, traces[number] = traces[number], None
            if trace is None:
                trace = self._sweep(images, (), part, pieces, True).trace
            assert trace is not None
            return image_gradient(trace, Along(direction=direction, pieces=pieces))

        found = map_threads(one, range(len(traces)), self._parts(), self.sweeps)
        whole = torch.cat(list(found))
        full = whole.new_zeros(len(self.targets), *whole.shape[1:], dtype=self.share.dtype)
        return full.index_copy(0, self.order, whole.to(full.dtype))


class _Gradients(torch.autograd.Function):
    """Weight gradients whose backward pass is the R-operator."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, job: _Job) -> tuple[Tensor, ...]:  # noqa: ANN401
        ctx.job, ctx.images = job, images.detach()
        found, ctx.traces = job.gradients(ctx.images, keep=True)
        return found

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *upstream: Tensor,
    ) -> tuple[Tensor, None]:
        return ctx.job.image_gradient(upstream, ctx.images, ctx.traces), None


class _Features(torch.autograd.Function):
    """What the classifier sees; its backward pass is the first-order one."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weights: Weights, batch: int) -> Tensor:  # noqa: ANN401
        keep = ctx.needs_input_grad[0]

        def one(part: Tensor) -> tuple[Tensor, tuple[list[Step], torch.Size, torch.dtype] | None]:
            last, steps = rise(weights, part, still=not keep)
            return rows(last, weights.wide), (steps, last.shape, last.dtype) if keep else None

        sweeps = shares([len(images)], batch, like=images)
        parts = images.split([piece.stop for (piece,) in sweeps])
        found, ctx.ups = zip(*map_threads(one, parts), strict=True)
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        upstream: Tensor,
    ) -> tuple[Tensor, None, None]:
        def one(up: tuple[list[Step], torch.Size, torch.dtype], part: Tensor) -> Tensor:
            steps, (n, height, width, channel), dtype = up
            d = part.to(dtype).reshape(n, channel, height, width).permute(0, 2, 3, 1).contiguous()
            return fall(steps, d)

        parts = upstream.split([shape[0] for _, shape, _ in ctx.ups])
        return torch.cat(list(map_threads(one, ctx.ups, parts))), None, None
