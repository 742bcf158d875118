"""Policies without memory: one size, all sizes, or a random one beside the full set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.sizes.base import SizeState, full

__all__ = ["AllSizes", "OneSize", "RandomSize"]


class _Forgetful:
    """What the policies without memory share: nothing is probed, remembered or frozen."""

    __slots__ = ()

    @property
    def probe(self) -> None:
        """See ``SizePolicy.probe``."""

    @property
    def held_exactly(self) -> bool:
        """See ``SizePolicy.held_exactly``."""
        return True

    def start(self, counts: Tensor) -> SizeState:
        """See ``SizePolicy.start``."""
        return {"counts": counts}

    def frozen(self, state: SizeState, *, outer: int) -> Tensor:
        """See ``SizePolicy.frozen``."""
        del outer
        return torch.zeros_like(state["counts"])

    def probes(self, outer: int) -> bool:
        """See ``SizePolicy.probes``."""
        del outer
        return False

    def observe(self, state: SizeState, distances: Tensor) -> SizeState:
        """See ``SizePolicy.observe``."""
        del distances
        return state

    def close(self, state: SizeState, *, outer: int) -> SizeState:
        """See ``SizePolicy.close``."""
        del outer
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSize(_Forgetful):
    """The full set alone: every method before MDC; baseline C is its result, cut."""

    def profiles(self, state: SizeState, *, outer: int, rng: torch.Generator) -> Tensor:
        """See ``SizePolicy.profiles``."""
        del outer, rng
        return full(state)[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllSizes(_Forgetful):
    """Every size at every step, each with weight 1 (ours)."""

    def profiles(self, state: SizeState, *, outer: int, rng: torch.Generator) -> Tensor:
        """See ``SizePolicy.profiles``."""
        del outer, rng
        whole = full(state)
        sizes = torch.arange(int(whole[0]), 0, -1)
        return sizes[:, None].expand(-1, len(whole))


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSize(_Forgetful):
    """The full set and one uniformly drawn smaller size, anew at every step (ours)."""

    def profiles(self, state: SizeState, *, outer: int, rng: torch.Generator) -> Tensor:
        """See ``SizePolicy.profiles``."""
        del outer
        whole = full(state)
        if int(whole[0]) == 1:
            return whole[None]
        size = torch.randint(1, int(whole[0]), (1,), generator=rng)
        return torch.stack([whole, size.expand_as(whole)])
