"""Size policies without state: one size, all sizes, or a random size and the full set."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from condensery.condensing.sizes.base import (
    MatchedSets,
    SizePolicy,
    SizeState,
    Weights,
    check_weights,
    full,
    weighted,
)
from condensery.registry import register


@register("size_policy", "one")
@dataclass(frozen=True, slots=True, kw_only=True)
class OneSize(SizePolicy):
    """Only the full set, as in all methods before MDC; a cut of the result is baseline C."""

    def sets(self, state: SizeState, *, outer: int, rng: torch.Generator) -> MatchedSets:
        """See ``SizePolicy.sets``."""
        del outer, rng
        return weighted(full(state)[None], "uniform")


@register("size_policy", "all")
@dataclass(frozen=True, slots=True, kw_only=True)
class AllSizes(SizePolicy):
    """Every size at every step (ours).

    Attributes:
        weights: ``"uniform"``: 1 for every size. ``"inverse"``: proportional to ``1 / size``, so
            that small sets count more. ``"proportional"``: proportional to ``size``. The mean
            weight is 1.
    """

    weights: Weights = "uniform"

    def __post_init__(self) -> None:
        check_weights(self.weights)

    def sets(self, state: SizeState, *, outer: int, rng: torch.Generator) -> MatchedSets:
        """See ``SizePolicy.sets``."""
        del outer, rng
        whole = full(state)
        sizes = torch.arange(int(whole[0]), 0, -1)
        return weighted(sizes[:, None].expand(-1, len(whole)), self.weights)


@register("size_policy", "random")
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSize(SizePolicy):
    """The full set and a smaller size that is drawn uniformly at every step (ours).

    Attributes:
        weights: Weights of the two sets, as in ``AllSizes``.
    """

    weights: Weights = "uniform"

    def __post_init__(self) -> None:
        check_weights(self.weights)

    def sets(self, state: SizeState, *, outer: int, rng: torch.Generator) -> MatchedSets:
        """See ``SizePolicy.sets``."""
        del outer
        whole = full(state)
        if int(whole[0]) == 1:
            return weighted(whole[None], "uniform")
        size = torch.randint(1, int(whole[0]), (1,), generator=rng)
        return weighted(torch.stack([whole, size.expand_as(whole)]), self.weights)
