"""Which runs go on together, and how they begin.

Sets whose networks, real batches and draws are the same are condensed in lockstep: what is shared
is computed once. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from condensery.comparison.runs import Run
from condensery.data import ImageData
from condensery.loop import SHARED, begun, initial_state
from condensery.progress import State
from condensery.recipe import Recipe

__all__ = ["Group", "begin", "groups"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that go on together.

    Attributes:
        runs: At least one.
        alone: Why they do not go on with the runs of another group; empty where all can.
    """

    runs: tuple[Run, ...]
    alone: str = ""

    @property
    def updates(self) -> int:
        """Image updates of each of its sets."""
        recipe = self.runs[0].recipe
        return recipe.iterations * recipe.schedule.updates


def groups(runs: Iterable[Run]) -> tuple[Group, ...]:
    """Put together what can share; the largest group first."""
    found: dict[object, list[Run]] = {}
    for run in runs:
        own = run.name if run.recipe.schedule.reads_synthetic else ""
        found.setdefault((own, *_shared(run.recipe)), []).append(run)
    together = sorted(found.values(), key=len, reverse=True)
    return tuple(
        Group(runs=tuple(members), alone=_why(members[0].recipe, together[0][0].recipe))
        for members in together
    )


def begin(runs: Sequence[Run], data: ImageData, *, seed: int) -> tuple[State, ...]:
    """The states before the first iteration.

    Run ``k`` of baseline B begins with the images of rank ``k`` of the full set's start, as the
    released code of MDC gives its run ``k`` another block of real images than the others.
    """
    wholes: dict[str, State] = {}
    found: list[State] = []
    for run in runs:
        if run.rank is None or run.source is None:
            found.append(initial_state(run.recipe, data, seed=seed))
            continue
        key = str(run.source)
        if key not in wholes:
            wholes[key] = initial_state(run.source, data, seed=seed)
        found.append(_from_rank(run.recipe, wholes[key], run.rank, seed=seed))
    return tuple(found)


def _from_rank(recipe: Recipe, whole: State, rank: int, *, seed: int) -> State:
    stored = whole.stored.rows(whole.stored.rank == rank)
    stored = replace(stored, rank=torch.zeros_like(stored.rank))
    return begun(recipe, stored, seed=seed)


def _shared(recipe: Recipe) -> tuple[str, ...]:
    return tuple(str(getattr(recipe, name)) for name in SHARED)


def _why(recipe: Recipe, largest: Recipe) -> str:
    if recipe.schedule.reads_synthetic:
        return "its networks are trained on the set itself"
    pairs = zip(SHARED, _shared(recipe), _shared(largest), strict=True)
    differ = [name for name, own, other in pairs if own != other]
    return f"another {', '.join(differ)}" if differ else ""
