"""Through the whole network and back for one batch of examples, and the derivative of that.

``rise`` and ``fall`` are the way up to the last value and back to the images; ``sweep`` is a
forward and a first-order backward of the cross-entropy, which reads off what each *piece* of the
batch (a slice of examples of one cell) contributes to the gradient of a parameter;
``image_gradient`` is the R-operator: the derivative of the image gradient along a direction of the
parameters that may differ from piece to piece. No graph is built anywhere.

Knows nothing about groups or autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeAlias, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condensery.analytic import plan
from condensery.analytic.blocks import EAGER, Blocks
from condensery.analytic.compiled import compiled
from condensery.analytic.maps import Kernel, Matrix, rows
from condensery.analytic.memory import keep_freed
from condensery.analytic.stem import stemmed
from condensery.analytic.steps import (
    Along,
    Gated,
    Mapped,
    Mean,
    Normed,
    Parts,
    Piece,
    Step,
    Sum,
    total,
)

__all__ = ["Swept", "Trace", "Weights", "fall", "image_gradient", "rise", "sweep"]

Images: TypeAlias = Float[Tensor, "example channel height width"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A network with its parameters laid out: convolutions in the working dtype, the rest wide."""

    steps: tuple[Step, ...]  # untouched; every sweep works on copies
    still: tuple[Step, ...]  # the same for images whose gradient nobody asks for
    dtype: torch.dtype  # of feature maps
    wide: torch.dtype  # of statistics and results

    @classmethod
    def of(
        cls,
        network: nn.Module,
        nodes: Sequence[plan.Node],
        *,
        like: Tensor,
        precision: str = "fp32",
        compile: bool = False,
    ) -> Weights:
        """Lay out the parameters of ``network``.

        Args:
            network: What was planned.
            nodes: The plan.
            like: Images; statistics and results are in their dtype, or float32 if that is wider.
            precision: ``"bf16"`` keeps maps and kernels in bfloat16, ``"fp32"`` in ``wide``.
            compile: Whether blocks are compiled.
        """
        keep_freed()
        wide = torch.promote_types(like.dtype, torch.float32)
        dtype = torch.bfloat16 if precision == "bf16" else wide
        blocks = compiled() if compile else EAGER
        given = {name: p.detach() for name, p in network.named_parameters()}
        steps = tuple(_step(node, given, dtype, wide, blocks) for node in nodes)
        return cls(steps=steps, still=stemmed(steps), dtype=dtype, wide=wide)


def _step(
    node: plan.Node,
    given: Mapping[str, Tensor],
    dtype: torch.dtype,
    wide: torch.dtype,
    blocks: Blocks,
) -> Step:
    sources = node.sources
    match node:
        case plan.Conv():
            bias = None if node.bias is None else given[node.bias].to(dtype)
            w = given[node.weight].to(dtype).contiguous(memory_format=torch.channels_last)
            kernel = Kernel(w=w, bias=bias, stride=node.stride, padding=node.padding)
            return Mapped(sources=sources, node=node, map=kernel)
        case plan.Linear():
            bias = None if node.bias is None else given[node.bias].to(wide)
            matrix = Matrix(w=given[node.weight].to(wide), bias=bias)
            return Mapped(sources=sources, node=node, map=matrix)
        case plan.Norm():
            one = torch.ones(1, dtype=wide, device=next(iter(given.values())).device)
            scale = given.get(node.scale or "", one).to(wide)
            shift = given.get(node.shift or "", 0 * one).to(wide)
            return Normed(sources=sources, node=node, scale=scale, shift=shift, blocks=blocks)
        case plan.Gate():
            return Gated(sources=sources, node=node, blocks=blocks)
        case plan.Sum():
            return Sum(sources=sources)
        case plan.Mean():
            return Mean(sources=sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One sweep over one batch."""

    steps: list[Step]
    probabilities: Float[Tensor, "example class_"]
    mass: Float[Tensor, "example 1"]  # sum of the label's probabilities

    @property
    def bytes(self) -> int:
        """Memory of the maps that the steps hold, each counted once."""
        count = len(self.probabilities)
        held = [getattr(step, f.name, None) for step in self.steps for f in fields(step)]
        maps = [x for x in held if isinstance(x, Tensor) and x.ndim == 4 and len(x) == count]
        return sum({x.data_ptr(): x.nbytes for x in maps}.values())


def rise(weights: Weights, images: Images, *, still: bool) -> tuple[Tensor, list[Step]]:
    """The last value, channels-last, and the steps to it; ``still`` ones end at the weights."""
    steps = [copy(step) for step in (weights.still if still else weights.steps)]
    first = _lay_out(images, weights.dtype)
    return _climb(steps, first, lambda step, maps: step.up(*maps)), steps


def _lay_out(images: Images, dtype: torch.dtype) -> Tensor:
    """Channels-last, in the working dtype.

    The strides are said, since a single channel is contiguous in both orders, and torch would go
    on with the other one: every later map with it, ten times as slow.
    """
    x = images.to(dtype).permute(0, 2, 3, 1).contiguous()
    _, height, width, channel = x.shape
    return x.as_strided(x.shape, (height * width * channel, width * channel, channel, 1))


def _climb(steps: Sequence[Step], first: _T, up: Callable[[Step, list[_T]], _T]) -> _T:
    """The last value; every other one is dropped after its last reader."""
    last = {source: step for step in steps for source in step.sources}
    values = {0: first}
    for number, step in enumerate(steps, start=1):
        values[number] = up(step, [values[source] for source in step.sources])
        for source in {source for source in step.sources if last[source] is step}:
            del values[source]
    return values[len(steps)]


def fall(steps: Sequence[Step], d: Tensor) -> Images:
    """Pull the gradient of the last value, channels-last, back to the images."""
    parts: list[Parts] = [[] for _ in steps]
    parts.append([d])
    for step in reversed(steps):
        found = step.down(total(parts.pop()), pull=True)
        for source, part in zip(step.sources, found, strict=True):
            parts[source].append(part)
    return total(parts[0]).permute(0, 3, 1, 2)


class Swept(NamedTuple):
    """What one sweep found."""

    loss: Tensor  # the sum
    gradients: list[dict[str, Tensor]]  # by name, of each piece
    trace: Trace | None  # if it was to be kept


def sweep(
    weights: Weights,
    images: Images,
    targets: Tensor,
    pieces: Sequence[Piece],
    *,
    names: Collection[str],
    keep: bool,
) -> Swept:
    """Forward, and backward of the *sum* of all examples' cross-entropy.

    Args:
        weights: The network.
        images: As the network sees them.
        targets: ``[example, class_]``, non-negative; a row need not sum to 1.
        pieces: Cover the batch, in order.
        names: Parameters whose gradients are wanted.
        keep: Whether the trace is for ``image_gradient``; otherwise its steps are dropped early.
    """
    last, steps = rise(weights, images, still=not keep)
    log_p, mass = rows(last, weights.wide).log_softmax(dim=1), targets.sum(dim=1, keepdim=True)
    probabilities = log_p.exp()
    trace = Trace(steps=list(steps), probabilities=probabilities, mass=mass) if keep else None
    gradients: list[dict[str, Tensor]] = [{} for _ in pieces]
    parts: list[Parts] = [[] for _ in steps]
    parts.append([(mass * probabilities - targets)[:, None, None]])
    while steps:
        step = steps.pop()
        found = step.down(total(parts.pop()), pull=any(step.sources))
        for source, part in zip(step.sources, found, strict=False):
            parts[source].append(part)
        for piece, of_piece in zip(pieces, gradients, strict=True):
            for name, gradient in step.weigh(piece.rows, names).items():
                wide = gradient.to(weights.wide)
                shared = of_piece.get(name)  # by a step further up
                of_piece[name] = wide if shared is None else shared + wide
    return Swept(-(targets * log_p).sum(), gradients, trace)


def image_gradient(trace: Trace, along: Along) -> Tensor:
    """Differentiate ``sum over pieces of <direction[cell], weight gradient of the piece>``.

    Args:
        trace: Of the batch that the pieces of ``along`` cover.
        along: The direction.

    Returns:
        With respect to the images, ``[example, channel, height, width]``.
    """
    steps = [copy(step) for step in trace.steps]  # what tangents leave on them is gone at the end
    still: Parts = []  # the images themselves do not move
    moved = _climb(steps, still, lambda step, parts: step.tangent_up(*parts, along=along))
    p = trace.probabilities
    logits_ = rows(total(moved), p.dtype) if moved else torch.zeros_like(p)
    dlogits_ = trace.mass * p * (logits_ - (p * logits_).sum(dim=1, keepdim=True))
    parts: list[Parts] = [[] for _ in steps]
    parts.append([dlogits_[:, None, None]])
    for step in reversed(steps):
        for source, found in zip(step.sources, step.tangent_down(parts.pop()), strict=True):
            parts[source] += found
    return total(parts[0]).permute(0, 3, 1, 2)
