"""The nodes of a plan with their weights: forward, backward, weight gradient, and tangents.

A layer lives for one chunk of a batch. ``forward`` and ``backward`` save on it what
``weight_gradient`` and the tangents need. A tangent is a list of *parts*, maps whose sum it is; an
empty list is zero. The layer that reads a tangent adds its parts, mostly inside of a compiled
function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from condensery.engines.fused import plan
from condensery.engines.fused.blocks import Blocks, SavedBackward, SavedForward, SavedTangent
from condensery.engines.fused.linear import LinearMap

Parts: TypeAlias = list[Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSlice:
    """Examples ``start:stop`` of a chunk; all belong to the cell ``cell``."""

    cell: int
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """The examples as a slice."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """A direction of the parameters for each cell, and the pieces of the chunk it is for.

    Attributes:
        of_cell: ``{parameter: [cell, *shape]}``; a parameter that is absent does not change.
        pieces: Of the chunk, in order.
    """

    of_cell: Mapping[str, Tensor]
    pieces: Sequence[CellSlice]

    def per_example(self, name: str | None) -> Tensor | None:
        """The direction of a norm's parameter, ``[example, channel]``."""
        found = self.of_cell.get(name or "")
        if found is None:
            return None
        return torch.cat([found[p.cell].expand(p.stop - p.start, -1) for p in self.pieces])


@dataclass(slots=True, kw_only=True)
class Layer(ABC):
    """A node of a plan. The tangents here are those of a layer that is linear in its input.

    Attributes:
        sources: Numbers of the values that it reads; 0 is the images.
    """

    sources: tuple[int, ...]

    @abstractmethod
    def forward(self, *maps: Tensor) -> Tensor:
        """The value of the node, from the values of its sources."""

    @abstractmethod
    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """The gradients of the sources, from the gradient of the value.

        Args:
            d: Gradient of the value.
            input_gradient: Whether the result is read; otherwise it may be empty.
        """

    def weight_gradient(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """The gradients of its parameters among ``names``, summed over the examples ``rows``."""
        del rows, names
        return {}

    def tangent_forward(self, *parts: Parts, direction: Direction) -> Parts:
        """The tangent of ``forward``, from the tangents of the sources."""
        del direction
        return [self.forward(total(own)) for own in parts if own]

    def tangent_backward(self, parts: Parts) -> tuple[Parts, ...]:
        """The tangent of ``backward``, from the tangent of the gradient of the value."""
        return tuple([d] for d in self.backward(total(parts), input_gradient=True))


@dataclass(slots=True, kw_only=True)
class LinearLayer(Layer):
    """A convolution or a linear layer."""

    node: plan.Conv | plan.Linear
    map: LinearMap
    a: Tensor = field(init=False)  # its input
    dz: Tensor = field(init=False)  # gradient of its output
    directions: list[tuple[LinearMap, slice]] = field(init=False)  # a map for each piece

    def forward(self, *maps: Tensor) -> Tensor:
        """``z = W a + bias``."""
        (self.a,) = maps
        return self.map.forward(self.a, bias=True)

    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """``da = W^T dz``."""
        self.dz = d
        return (self.map.input_gradient(d, self.a),) if input_gradient else ()

    def weight_gradient(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """``dW = dz a^T``, ``dbias = dz``, summed over examples and pixels."""
        found: dict[str, Tensor] = {}
        a, dz = self.a[rows], self.dz[rows]
        if self.node.weight in names:
            found[self.node.weight] = self.map.weight_gradient(a, dz)
        if self.node.bias is not None and self.node.bias in names:
            at_least_float = torch.promote_types(dz.dtype, torch.float32)
            found[self.node.bias] = dz.sum(dim=(0, 1, 2), dtype=at_least_float)
        return found

    def tangent_forward(self, *parts: Parts, direction: Direction) -> Parts:
        """``z' = V a + W a'``, where ``V`` and its bias are the direction."""
        weight = direction.of_cell.get(self.node.weight)
        bias = direction.of_cell.get(self.node.bias or "")
        self.directions = []
        if weight is not None or bias is not None:
            self.directions = [
                (
                    self.map.with_weights(
                        torch.zeros_like(self.map.w) if weight is None else weight[piece.cell],
                        None if bias is None else bias[piece.cell],
                    ),
                    piece.rows,
                )
                for piece in direction.pieces
            ]
        found = self._each(lambda v, rows: v.forward(self.a[rows], bias=True))
        return [*found, *(self.map.forward(total(own), bias=False) for own in parts if own)]

    def tangent_backward(self, parts: Parts) -> tuple[Parts, ...]:
        """``da' = W^T dz' + V^T dz``."""
        found = self._each(lambda v, rows: v.input_gradient(self.dz[rows], self.a[rows]))
        return ([self.map.input_gradient(total(parts), self.a), *found],)

    def _each(self, function: Callable[[LinearMap, slice], Tensor]) -> Parts:
        """The function of each piece, in one map."""
        found = [function(v, rows) for v, rows in self.directions]
        return found if len(found) < 2 else [torch.cat(found)]


@dataclass(slots=True, kw_only=True)
class NormLayer(Layer):
    """A block: instance norm, ReLU, average pool."""

    node: plan.Norm
    scale: Tensor
    shift: Tensor
    blocks: Blocks
    z: Tensor = field(init=False)  # its input
    saved: SavedForward = field(init=False)
    saved_backward: SavedBackward = field(init=False)
    saved_tangent: SavedTangent = field(init=False)

    def forward(self, *maps: Tensor) -> Tensor:
        """``p``, by ``blocks.forward``."""
        (self.z,) = maps
        p, self.saved = self.blocks.forward(*self._block, self.node.eps, self.scale, self.shift)
        return p

    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """``dz``, by ``blocks.backward``."""
        del input_gradient
        dz, self.saved_backward = self.blocks.backward(*self._block, self.saved, d)
        return (dz,)

    def weight_gradient(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """``dscale = sum(dy n)``, ``dshift = sum(dy)``, where ``n`` is the normalised map."""
        pixels = self.z.shape[1] * self.z.shape[2]
        means = (
            (self.node.scale, self.saved_backward.g),
            (self.node.shift, self.saved_backward.b),
        )
        return {
            name: mean[rows].sum(dim=0) * pixels
            for name, mean in means
            if name is not None and name in names
        }

    def tangent_forward(self, *parts: Parts, direction: Direction) -> Parts:
        """``p'``, by ``blocks.tangent_forward``."""
        scale_ = direction.per_example(self.node.scale)
        shift_ = direction.per_example(self.node.shift)
        (own,) = parts
        z1, z2 = _at_most_two(own) if own else (torch.zeros_like(self.z), None)
        p_, self.saved_tangent = self.blocks.tangent_forward(
            *self._block, self.saved, z1, z2, scale_, shift_
        )
        return [p_]

    def tangent_backward(self, parts: Parts) -> tuple[Parts, ...]:
        """``dz'``, by ``blocks.tangent_backward``."""
        saved = self.saved, self.saved_backward, self.saved_tangent
        return ([self.blocks.tangent_backward(*self._block, *saved, *_at_most_two(parts))],)

    @property
    def _block(self) -> tuple[Tensor, bool, int]:
        """The first arguments of the functions of blocks."""
        return self.z, self.node.relu, self.node.pool


@dataclass(slots=True, kw_only=True)
class GateLayer(Layer):
    """ReLU and average pool without a norm before them."""

    node: plan.Gate
    blocks: Blocks
    z: Tensor = field(init=False)  # its input

    def forward(self, *maps: Tensor) -> Tensor:
        """``z`` where it is positive, pooled."""
        (self.z,) = maps
        return self.blocks.gate(*self._block, self.z, None)

    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """The transpose, for the same pixels."""
        del input_gradient
        return (self.blocks.gate_transpose(*self._block, d, None),)

    def tangent_forward(self, *parts: Parts, direction: Direction) -> Parts:
        """``z'`` where ``z`` is positive, pooled."""
        del direction
        return [self.blocks.gate(*self._block, *_at_most_two(own)) for own in parts if own]

    def tangent_backward(self, parts: Parts) -> tuple[Parts, ...]:
        """The same as ``backward``."""
        return ([self.blocks.gate_transpose(*self._block, *_at_most_two(parts))],)

    @property
    def _block(self) -> tuple[Tensor, bool, int]:
        """The first arguments of the functions of blocks."""
        return self.z, self.node.relu, self.node.pool


@dataclass(slots=True, kw_only=True)
class SumLayer(Layer):
    """Two maps added."""

    def forward(self, *maps: Tensor) -> Tensor:
        """The sum."""
        return total(maps)

    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """The same gradient for both."""
        del input_gradient
        return (d, d)

    def tangent_forward(self, *parts: Parts, direction: Direction) -> Parts:
        """All parts together."""
        del direction
        return [part for own in parts for part in own]


@dataclass(slots=True, kw_only=True)
class MeanLayer(Layer):
    """The average over all pixels."""

    shape: torch.Size = field(init=False)

    def forward(self, *maps: Tensor) -> Tensor:
        """A map of one pixel."""
        (a,) = maps
        self.shape = a.shape
        return a.mean(dim=(1, 2), keepdim=True)

    def backward(self, d: Tensor, *, input_gradient: bool) -> tuple[Tensor, ...]:
        """An equal share for each pixel."""
        del input_gradient
        return ((d / (self.shape[1] * self.shape[2])).expand(self.shape).contiguous(),)


def total(parts: Sequence[Tensor]) -> Tensor:
    """The sum of at least one part."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def _at_most_two(parts: Parts) -> tuple[Tensor, Tensor | None]:
    """The same sum as one or two parts, which is what a compiled function takes."""
    return parts[0], total(parts[1:]) if len(parts) > 1 else None
