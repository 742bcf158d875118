"""Gradients per group, and their gradient with respect to the images, without autograd.

The forward pass gives one weight gradient for each cell (examples that belong to the same groups),
so every prefix of a set comes from one pass. The backward pass is Pearlmutter's R-operator. With
``V`` the gradient of a distance with respect to the weight gradient ``g_w(x)``, the image gradient
is that of ``<V, g_w(x)>``: a directional derivative in the space of the weights. There is no double
backward, no graph, and no weight gradient that is not needed, so all of it can be compiled and
computed in bfloat16.

The reference is ``condensery.engines.autograd``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from condensery.engines.fused.batches import default_batch_size, split
from condensery.engines.fused.layers import CellSlice, Direction, Layer
from condensery.engines.fused.linear import flatten
from condensery.engines.fused.network_plan import block_ends, network_plan
from condensery.engines.fused.plan import Node
from condensery.engines.fused.sweep import (
    SavedSweep,
    SweepResult,
    Weights,
    backward_to_images,
    forward,
    forward_backward,
    image_gradient,
)
from condensery.engines.one_pass import cells
from condensery.errors import ConfigError, nearest
from condensery.networks import side_by_side
from condensery.parallel import map_threads
from condensery.placed import on
from condensery.types import Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """One pass for all groups and an analytic second order, for networks that ``plan`` supports.

    ``batch`` and ``saved_activations`` limit the memory; they change results by rounding only.

    Attributes:
        precision: ``"fp32"`` computes in the dtype of the images (float32, or float64 if that is
            what they have); ``"bf16"`` stores feature maps and convolutions in bfloat16, with
            statistics, softmax and results in float32.
        compile: Whether blocks are compiled by ``torch.compile``. If that fails, a warning says
            why, and blocks run uncompiled.
        batch: Images in all chunks that are computed at the same time, at least 1; on a CPU each
            worker computes a chunk. None is ``default_batch_size``: 64 in bfloat16 and 32
            otherwise, less for large images.
        saved_activations: Number of images whose activations stay in memory from the gradient to
            the image gradient, 0 or more. Other activations are computed again, which takes a
            third more time. None saves all.
    """

    chunked: ClassVar[bool] = True

    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    batch: int | None = None
    saved_activations: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(
                f'engine "fused" got precision = {self.precision!r}; it supports "fp32" and "bf16".'
                + nearest(str(self.precision), ["fp32", "bf16"])
            )
        if self.batch is not None and self.batch < 1:
            raise ConfigError(
                f'engine "fused" got batch = {self.batch}; a chunk needs at least 1 image. '
                "None takes 64 in bf16 and 32 in fp32, fewer of large images."
            )
        if self.saved_activations is not None and self.saved_activations < 0:
            raise ConfigError(
                f'engine "fused" got saved_activations = {self.saved_activations}; it saves the '
                "activations of 0 images or more. None saves those of all images."
            )

    def batch_size(self, images: Tensor) -> int:
        """See ``Engine.batch_size``."""
        return self.batch or default_batch_size(self.precision, images)

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
            UnsupportedNetwork: If ``plan`` does not support ``network``.
        """
        job = self._job(network, images, labels, groups, names)
        if images.requires_grad:
            found = _Gradients.apply(images, job)
        else:
            with torch.no_grad():
                found, _ = job.gradients(images, save=False)
        return dict(zip(names, found, strict=True))

    def features(self, network: nn.Module, images: Tensor, *, blocks: int = 1) -> Tensor:
        """See ``Engine.features``; differentiable once.

        Raises:
            UnsupportedNetwork: If ``plan`` does not support ``network``, or it has fewer blocks.
        """
        nodes = network_plan(network, images).features
        ends = block_ends(network, nodes, blocks)
        return side_by_side(self._values(network, nodes, images, *ends)[::-1])

    def features_and_logits(
        self, network: nn.Module, images: Tensor, *, blocks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """See ``Engine.features_and_logits``; differentiable once.

        Raises:
            UnsupportedNetwork: As ``features``.
        """
        found = network_plan(network, images)
        features, logits = found.features, found.logits
        ends = block_ends(network, features, blocks)
        if features != logits[: len(features)]:  # a pool follows that is joined with a layer
            seen = self._values(network, features, images, *ends)
            (outputs,) = self._values(network, logits, images, len(logits))
        else:
            *seen, outputs = self._values(network, logits, images, *ends, len(logits))
        return side_by_side(seen[::-1]), outputs

    def _values(
        self, network: nn.Module, nodes: Sequence[Node], images: Tensor, *numbers: int
    ) -> tuple[Tensor, ...]:
        """Values of the nodes with these numbers, ascending, each ``[example, feature]``."""
        weights = self._weights(network, nodes, images)
        return _Values.apply(images, weights, numbers, self.batch_size(images))

    def within(self, budget: int, network: nn.Module, image: Tensor, label: Tensor) -> Fused:
        """The same engine with ``batch`` and ``saved_activations`` for a budget of memory.

        The activations of one image are measured, uncompiled. A pass takes them once for every
        image whose activations are saved, and twice for the images of a batch: the activations and
        their tangents. Gradients of the parameters, one set for each cell, are not counted.

        Args:
            budget: Bytes.
            network: The matching network.
            image: One example as the network sees it, ``[1, channel, height, width]``.
            label: Its class, ``[1]``.

        Raises:
            ConfigError: If not even one image fits.
            UnsupportedNetwork: If ``plan`` does not support ``network``.
        """
        needed = self.activations(network, image, label)
        fits = budget // needed
        if fits < 2:
            raise ConfigError(
                f"memory = {budget:,} bytes, but the activations of one image in "
                f"{type(network).__name__} take {needed:,}, and their tangents as much again. "
                f"Give at least {2 * needed:,}, or take a narrower network."
            )
        batch = min(self.batch_size(image), fits // 2)
        return replace(self, batch=batch, saved_activations=fits - 2 * batch)

    def activations(self, network: nn.Module, image: Tensor, label: Tensor) -> int:
        """Bytes of the activations that are saved for one image; arguments as in ``within``."""
        one = Groups(member=torch.ones(1, 1, dtype=torch.bool), class_=label, size=label)
        job = replace(self, compile=False)._job(network, image, label, one, [])
        with torch.no_grad():
            (saved,) = job.gradients(image, save=True)[1]
        assert saved is not None
        return saved.bytes

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
        found = network_plan(network, images)
        weights = self._weights(network, found.logits, images)
        if not labels.is_floating_point():
            labels = nn.functional.one_hot(labels, found.classes)
        of_cell, share = cells(groups.member)
        share = share.to(weights.wide) / groups.member.sum(dim=1, keepdim=True)
        return _Job(
            weights=weights,
            shapes={name: network.get_parameter(name).shape for name in names},
            targets=labels.to(weights.wide),
            order=on(images.device, torch.cat(of_cell)),
            chunks=split([len(rows) for rows in of_cell], self.batch_size(images), like=images),
            share=on(images.device, share),
            saved_activations=self.saved_activations,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One call of ``gradients``, prepared for images of one shape."""

    weights: Weights
    shapes: dict[str, torch.Size]
    targets: Tensor  # [example, class_]
    order: Tensor  # examples sorted by cell
    chunks: list[list[CellSlice]]
    share: Tensor  # [group, cell]: membership over group size
    saved_activations: int | None

    def gradients(
        self, images: Tensor, *, save: bool
    ) -> tuple[tuple[Tensor, ...], list[SavedSweep | None]]:
        """The weight gradients of the groups, in the order of ``shapes``, and the saved chunks."""
        of_cell = {
            name: self.share.new_zeros(self.share.shape[1], *shape)
            for name, shape in self.shapes.items()
        }
        most = len(self.order) if self.saved_activations is None else self.saved_activations
        parts = self._parts()
        saves = [save and stop <= most for stop in accumulate(len(part) for part in parts)]
        saved: list[SavedSweep | None] = []
        run = partial(self._forward_backward, images, self.shapes)
        results = map_threads(run, parts, self.chunks, saves)
        for pieces, found in zip(self.chunks, results, strict=True):
            saved.append(found.saved)
            for piece, own in zip(pieces, found.of_piece, strict=True):
                for name, gradient in own.items():
                    of_cell[name][piece.cell] += gradient
        return tuple(torch.tensordot(self.share, g, dims=1) for g in of_cell.values()), saved

    def _parts(self) -> Sequence[Tensor]:
        """The examples of every chunk."""
        return self.order.split([pieces[-1].stop for pieces in self.chunks])

    def _forward_backward(
        self,
        images: Tensor,
        names: Collection[str],
        part: Tensor,
        pieces: Sequence[CellSlice],
        save: bool,
    ) -> SweepResult:
        targets = self.targets[part]
        return forward_backward(self.weights, images[part], targets, pieces, names=names, save=save)

    def image_gradient(
        self, upstream: Sequence[Tensor], images: Tensor, saved: list[SavedSweep | None]
    ) -> Tensor:
        """The gradient with respect to the images.

        Args:
            upstream: Gradient of each weight gradient, ``[group, *shape]``.
            images: The images of the call of ``gradients``.
            saved: What that call saved for each chunk; it is emptied. Missing activations are
                computed again.
        """
        of_cell = {
            name: torch.tensordot(self.share.T, v.to(self.share.dtype), dims=1)
            for name, v in zip(self.shapes, upstream, strict=True)
        }

        def chunk(number: int, part: Tensor, pieces: Sequence[CellSlice]) -> Tensor:
            own, saved[number] = saved[number], None
            if own is None:
                own = self._forward_backward(images, (), part, pieces, True).saved
            assert own is not None
            return image_gradient(own, Direction(of_cell=of_cell, pieces=pieces))

        found = map_threads(chunk, range(len(saved)), self._parts(), self.chunks)
        sorted_ = torch.cat(list(found))
        result = sorted_.new_zeros(len(self.targets), *sorted_.shape[1:], dtype=self.share.dtype)
        return result.index_copy(0, self.order, sorted_.to(result.dtype))


class _Gradients(torch.autograd.Function):
    """Weight gradients whose backward pass is the R-operator."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, job: _Job) -> tuple[Tensor, ...]:  # noqa: ANN401
        ctx.job, ctx.images = job, images.detach()
        found, ctx.saved = job.gradients(ctx.images, save=True)
        return found

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *upstream: Tensor,
    ) -> tuple[Tensor, None]:
        return ctx.job.image_gradient(upstream, ctx.images, ctx.saved), None


class _Values(torch.autograd.Function):
    """Values of nodes of the network, with a first-order backward pass."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        images: Tensor,
        weights: Weights,
        numbers: Sequence[int],
        batch: int,
    ) -> tuple[Tensor, ...]:
        save = ctx.needs_input_grad[0]

        def chunk(part: Tensor) -> tuple[list[Tensor], _Swept | None]:
            values, layers = forward(weights, part, *numbers)
            maps = [(value.shape, value.dtype) for value in values]
            return [flatten(v, weights.wide) for v in values], (layers, maps) if save else None

        chunks = split([len(images)], batch, like=images)
        parts = images.split([piece.stop for (piece,) in chunks])
        found, ctx.saved = zip(*map_threads(chunk, parts), strict=True)
        ctx.numbers = numbers
        return tuple(torch.cat(values) for values in zip(*found, strict=True))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *upstream: Tensor,
    ) -> tuple[Tensor, None, None, None]:
        def chunk(saved: _Swept, *parts: Tensor) -> Tensor:
            layers, maps = saved
            gradients = {
                number: part.to(dtype).reshape(n, channel, height, width).permute(0, 2, 3, 1)
                for number, part, ((n, height, width, channel), dtype) in zip(
                    ctx.numbers, parts, maps, strict=True
                )
            }
            return backward_to_images(layers, {n: d.contiguous() for n, d in gradients.items()})

        lengths = [maps[0][0][0] for _, maps in ctx.saved]
        cut = [gradient.split(lengths) for gradient in upstream]
        return torch.cat(list(map_threads(chunk, ctx.saved, *cut))), None, None, None


_Swept: TypeAlias = tuple[list[Layer], list[tuple[torch.Size, torch.dtype]]]
"""Layers with their activations, and the shapes and dtypes of the returned values."""
