"""What the nodes of a plan do in one sweep: up, down, and the tangents of both.

A step is one node in one sweep over one batch. ``up`` and ``down`` leave on it what the weight
gradients (``weigh``) and the tangents need. A tangent is a list of *parts*, maps whose sum it is;
an empty list is zero. Whoever reads it sums it, mostly inside of a compiled function.

Knows nothing about the order of steps, losses, groups or autograd.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from condensery.analytic import plan
from condensery.analytic.blocks import Back, Blocks, Known, Moved
from condensery.analytic.maps import LinearMap

__all__ = ["Along", "Gated", "Mapped", "Mean", "Normed", "Parts", "Piece", "Step", "Sum", "total"]

Parts: TypeAlias = list[Tensor]


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
class Along:
    """A direction of the parameters that differs from cell to cell, and the pieces it is for."""

    direction: Mapping[str, Tensor]  # {parameter: [cell, *shape]}; what is absent is zero
    pieces: Sequence[Piece]

    def per_example(self, name: str | None) -> Tensor | None:
        """The direction of a norm's parameter, ``[example, channel]``."""
        found = self.direction.get(name or "")
        if found is None:
            return None
        return torch.cat([found[p.cell].expand(p.stop - p.start, -1) for p in self.pieces])


@dataclass(slots=True, kw_only=True)
class Step(ABC):
    """A node in one sweep; ``up`` and ``down`` say all about a linear one without parameters."""

    sources: tuple[int, ...]  # numbers of the values it reads

    @abstractmethod
    def up(self, *maps: Tensor) -> Tensor:
        """The value of the node."""

    @abstractmethod
    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """Gradients of the sources, from that of the value; nobody reads them unless ``pull``."""

    def weigh(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """Gradients of the parameters in ``names``, summed over the examples ``rows``."""
        del rows, names
        return {}

    def tangent_up(self, *parts: Parts, along: Along) -> Parts:
        """The tangent of ``up``."""
        del along
        return [self.up(total(own)) for own in parts if own]

    def tangent_down(self, parts: Parts) -> tuple[Parts, ...]:
        """The tangent of ``down``."""
        return tuple([d] for d in self.down(total(parts), pull=True))


@dataclass(slots=True, kw_only=True)
class Mapped(Step):
    """A convolution or a linear layer."""

    node: plan.Conv | plan.Linear
    map: LinearMap
    a: Tensor = field(init=False)  # its input
    dz: Tensor = field(init=False)  # gradient of its output
    kin: list[tuple[LinearMap, slice]] = field(init=False)  # the direction: a map per piece

    def up(self, *maps: Tensor) -> Tensor:
        """``z = W a + bias``."""
        (self.a,) = maps
        return self.map.apply(self.a, bias=True)

    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """``da = W^T dz``."""
        self.dz = d
        return (self.map.transpose(d, self.a),) if pull else ()

    def weigh(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """``dW = dz a^T``, ``dbias = dz``, summed over examples and pixels."""
        found: dict[str, Tensor] = {}
        a, dz = self.a[rows], self.dz[rows]
        if self.node.weight in names:
            found[self.node.weight] = self.map.outer(a, dz)
        if self.node.bias is not None and self.node.bias in names:
            wide = torch.promote_types(dz.dtype, torch.float32)
            found[self.node.bias] = dz.sum(dim=(0, 1, 2), dtype=wide)
        return found

    def tangent_up(self, *parts: Parts, along: Along) -> Parts:
        """``z' = V a + W a'``, with ``V`` and its bias the direction."""
        weight = along.direction.get(self.node.weight)
        bias = along.direction.get(self.node.bias or "")
        self.kin = []
        if weight is not None or bias is not None:
            self.kin = [
                (
                    self.map.like(
                        torch.zeros_like(self.map.w) if weight is None else weight[piece.cell],
                        None if bias is None else bias[piece.cell],
                    ),
                    piece.rows,
                )
                for piece in along.pieces
            ]
        found = self._each(lambda v, rows: v.apply(self.a[rows], bias=True))
        return [*found, *(self.map.apply(total(own), bias=False) for own in parts if own)]

    def tangent_down(self, parts: Parts) -> tuple[Parts, ...]:
        """``da' = W^T dz' + V^T dz``."""
        found = self._each(lambda v, rows: v.transpose(self.dz[rows], self.a[rows]))
        return ([self.map.transpose(total(parts), self.a), *found],)

    def _each(self, do: Callable[[LinearMap, slice], Tensor]) -> Parts:
        found = [do(v, rows) for v, rows in self.kin]
        return found if len(found) < 2 else [torch.cat(found)]


@dataclass(slots=True, kw_only=True)
class Normed(Step):
    """A block: instance norm, ReLU, average pool."""

    node: plan.Norm
    scale: Tensor
    shift: Tensor
    blocks: Blocks
    z: Tensor = field(init=False)  # its input
    known: Known = field(init=False)
    back: Back = field(init=False)
    moved: Moved = field(init=False)

    def up(self, *maps: Tensor) -> Tensor:
        """``p``, by ``blocks.forward``."""
        (self.z,) = maps
        p, self.known = self.blocks.forward(*self._at, self.node.eps, self.scale, self.shift)
        return p

    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """``dz``, by ``blocks.backward``."""
        del pull
        dz, self.back = self.blocks.backward(*self._at, self.known, d)
        return (dz,)

    def weigh(self, rows: slice, names: Collection[str]) -> dict[str, Tensor]:
        """``dscale = sum(dy n)``, ``dshift = sum(dy)``."""
        pixels = self.z.shape[1] * self.z.shape[2]
        return {
            name: mean[rows].sum(dim=0) * pixels
            for name, mean in ((self.node.scale, self.back.g), (self.node.shift, self.back.b))
            if name is not None and name in names
        }

    def tangent_up(self, *parts: Parts, along: Along) -> Parts:
        """``p'``, by ``blocks.tangent_forward``."""
        scale_, shift_ = along.per_example(self.node.scale), along.per_example(self.node.shift)
        (own,) = parts
        z1, z2 = _two(own) if own else (torch.zeros_like(self.z), None)
        p_, self.moved = self.blocks.tangent_forward(*self._at, self.known, z1, z2, scale_, shift_)
        return [p_]

    def tangent_down(self, parts: Parts) -> tuple[Parts, ...]:
        """``dz'``, by ``blocks.tangent_backward``."""
        dz_ = self.blocks.tangent_backward(
            *self._at, self.known, self.back, self.moved, *_two(parts)
        )
        return ([dz_],)

    @property
    def _at(self) -> tuple[Tensor, bool, int]:
        return self.z, self.node.relu, self.node.pool


@dataclass(slots=True, kw_only=True)
class Gated(Step):
    """ReLU and average pool without a norm."""

    node: plan.Gate
    blocks: Blocks
    z: Tensor = field(init=False)  # its input

    def up(self, *maps: Tensor) -> Tensor:
        """``z`` where it is positive, pooled."""
        (self.z,) = maps
        return self.blocks.gate(*self._at, self.z, None)

    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """The transpose, for the same pixels."""
        del pull
        return (self.blocks.ungate(*self._at, d, None),)

    def tangent_up(self, *parts: Parts, along: Along) -> Parts:
        """``z'`` where ``z`` is positive, pooled."""
        del along
        return [self.blocks.gate(*self._at, *_two(own)) for own in parts if own]

    def tangent_down(self, parts: Parts) -> tuple[Parts, ...]:
        """As ``down``."""
        return ([self.blocks.ungate(*self._at, *_two(parts))],)

    @property
    def _at(self) -> tuple[Tensor, bool, int]:
        return self.z, self.node.relu, self.node.pool


@dataclass(slots=True, kw_only=True)
class Sum(Step):
    """Two maps added."""

    def up(self, *maps: Tensor) -> Tensor:
        """The sum."""
        return total(maps)

    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """The same gradient for both."""
        del pull
        return (d, d)

    def tangent_up(self, *parts: Parts, along: Along) -> Parts:
        """All parts together."""
        del along
        return [part for own in parts for part in own]


@dataclass(slots=True, kw_only=True)
class Mean(Step):
    """The average over all pixels."""

    shape: torch.Size = field(init=False)

    def up(self, *maps: Tensor) -> Tensor:
        """One pixel."""
        (a,) = maps
        self.shape = a.shape
        return a.mean(dim=(1, 2), keepdim=True)

    def down(self, d: Tensor, *, pull: bool) -> tuple[Tensor, ...]:
        """An equal share for every pixel."""
        del pull
        return ((d / (self.shape[1] * self.shape[2])).expand(self.shape).contiguous(),)


def total(parts: Sequence[Tensor]) -> Tensor:
    """The sum of at least one part."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def _two(parts: Parts) -> tuple[Tensor, Tensor | None]:
    """The same sum as one or two parts: what a compiled function takes."""
    return parts[0], total(parts[1:]) if len(parts) > 1 else None
