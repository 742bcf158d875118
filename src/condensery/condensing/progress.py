"""The state of a run, and its progress at every step.

Both are plain values: the code that receives them decides about logging, checkpoints and stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from condensery.parallel import Processes
from condensery.placed import on, positions
from condensery.types import Examples

BY_ROW = ("images", "labels")
"""Learned tensors with an entry for each stored image; the others belong to all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The complete state of a run between two outer iterations.

    Attributes:
        outer: Number of finished outer iterations.
        stored: Stored images in [0, 1], sorted by rank, then by class. Within an outer iteration
            the images may leave the range a little.
        update: The state of the update of everything that is learned: ``"images"``, perhaps
            ``"labels"`` and ``"learned_lr"``.
        sizes: The state of the size policy.
        objective: The state of the objective; empty if it has none.
    """

    outer: int
    stored: Examples
    update: Mapping[str, Mapping[str, Tensor]]
    sizes: Mapping[str, Tensor]
    objective: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def __reduce__(self) -> tuple[object, ...]:
        """Another process gets a state on the CPU, whose devices may differ."""
        tensors = {name: tensor.cpu() for name, tensor in self.tensors().items()}
        return State.from_tensors, (self.outer, tensors)

    def tensors(self) -> dict[str, Tensor]:
        """The state as named tensors, for a checkpoint."""
        stored = {f.name: getattr(self.stored, f.name) for f in fields(self.stored)}
        shared = stored.pop("shared")
        parts = {
            "stored": stored,
            "shared": shared,
            "sizes": self.sizes,
            "objective": self.objective,
        }
        parts |= {f"update.{what}": tensors for what, tensors in self.update.items()}
        return {
            f"{part}.{name}": tensor
            for part, named in parts.items()
            for name, tensor in named.items()
            if tensor is not None
        }

    def to(self, device: torch.device | str) -> State:
        """The state with its tensors on a device; ``sizes`` stay on the CPU."""
        update = {
            what: {name: tensor.to(device) for name, tensor in named.items()}
            for what, named in self.update.items()
        }
        objective = {name: tensor.to(device) for name, tensor in self.objective.items()}
        return replace(self, stored=self.stored.to(device), update=update, objective=objective)

    def shard(self, classes: Sequence[int]) -> State:
        """The state with the stored images of some classes alone, for a process that has these."""
        own = positions(torch.isin(self.stored.class_, torch.tensor(classes)))
        return self._each_row(lambda rows: rows[on(rows.device, own)])

    def whole(self, processes: Processes) -> State:
        """The state with the stored images of all processes; each process has its shard."""
        if processes.count == 1:
            return self
        keys = _keys(self.stored)
        return self._each_row(lambda rows: processes.merge(rows, keys))

    def _each_row(self, change: Callable[[Tensor], Tensor]) -> State:
        """The state with every tensor that has one entry for each stored image changed."""

        def changed(what: str, tensor: Tensor) -> Tensor:
            by_row = what in BY_ROW and tensor.shape[:1] == (len(self.stored),)
            return change(tensor) if by_row else tensor

        return replace(
            self,
            stored=_each_row(self.stored, change),
            update={
                what: {name: changed(what, tensor) for name, tensor in named.items()}
                for what, named in self.update.items()
            },
        )

    @staticmethod
    def from_tensors(outer: int, tensors: Mapping[str, Tensor]) -> State:
        """Read what ``tensors`` wrote."""
        parts: dict[str, dict[str, Tensor]] = {
            "stored": {},
            "shared": {},
            "sizes": {},
            "objective": {},
        }
        for path, tensor in tensors.items():
            part, _, name = path.rpartition(".")
            parts.setdefault(part, {})[name] = tensor
        stored, sizes = parts.pop("stored"), parts.pop("sizes")
        objective, shared = parts.pop("objective"), parts.pop("shared")
        update = {part.removeprefix("update."): named for part, named in parts.items()}
        return State(
            outer=outer,
            stored=Examples(**stored, shared=shared),
            update=update,
            sizes=sizes,
            objective=objective,
        )


def whole_examples(stored: Examples, processes: Processes) -> Examples:
    """The stored images of all processes, sorted by rank, then by class."""
    if processes.count == 1:
        return stored
    keys = _keys(stored)
    return _each_row(stored, lambda rows: processes.merge(rows, keys))


def _keys(stored: Examples) -> Tensor:
    """The order of stored images: by rank, then by class."""
    return stored.rank * 2**32 + stored.class_


def _each_row(stored: Examples, change: Callable[[Tensor], Tensor]) -> Examples:
    return replace(
        stored,
        images=change(stored.images),
        labels=change(stored.labels),
        class_=change(stored.class_),
        rank=change(stored.rank),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The result of one image update or, with ``boundary``, of one outer iteration.

    Attributes:
        outer: Outer iteration, from 0.
        inner: Inner iteration, from 0.
        iterations: Outer iterations of the whole run.
        inner_steps: Image updates in an outer iteration.
        losses: ``{size: matching loss summed over classes}``; the key is ``"3-7"`` if the size
            differs between classes.
        frozen: Frozen images per class, ``{smallest, largest over classes}``.
        boundary: Whether the outer iteration is complete, so that a run can resume from ``state``.
        state: The state of the run after this step.
    """

    outer: int
    inner: int
    iterations: int
    inner_steps: int
    losses: Mapping[str, float]
    frozen: tuple[int, int]
    boundary: bool
    state: State

    @property
    def loss(self) -> float:
        """Sum of the losses of all sizes."""
        return sum(self.losses.values())
