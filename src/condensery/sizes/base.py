"""Which sizes of the set are matched at a step, and which images are left alone.

A size policy answers with *profiles*: how many images of every class each matched set takes. It
never sees a network, a gradient or the name of an objective. State goes in and out as a mapping
of tensors, so a policy is a value and a run can be resumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from condensery.objectives import Objective

__all__ = ["SizePolicy", "SizeState", "full"]

SizeState = Mapping[str, Tensor]


class SizePolicy(Protocol):
    """Chooses sizes from 1 to N over a run."""

    @property
    def probe(self) -> Objective | None:
        """Measures every size at the iterations that ``probes`` names; None: never."""
        ...

    @property
    def held_exactly(self) -> bool:
        """Whether frozen images keep their bits; else their gradient alone is zeroed."""
        ...

    def start(self, counts: Tensor) -> SizeState:
        """State before the first iteration, for classes that store ``counts[c]`` images."""
        ...

    def profiles(self, state: SizeState, *, outer: int, rng: torch.Generator) -> Tensor:
        """Images per class of each matched set, ``[profile, class_]``; first the full set."""
        ...

    def frozen(self, state: SizeState, *, outer: int) -> Tensor:
        """Images of each class, counted from rank 0, that are not updated now, ``[class_]``."""
        ...

    def probes(self, outer: int) -> bool:
        """Whether the sizes are measured during this outer iteration."""
        ...

    def observe(self, state: SizeState, distances: Tensor) -> SizeState:
        """Take in the probe's losses ``[class_, size]`` of sizes 1..N at one inner step."""
        ...

    def close(self, state: SizeState, *, outer: int) -> SizeState:
        """End an outer iteration."""
        ...


def full(state: SizeState) -> Tensor:
    """The profile of the whole set: N images of every class, ``[class_]``."""
    return torch.full_like(state["counts"], int(state["counts"].max()))
