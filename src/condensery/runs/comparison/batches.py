"""Which runs are condensed in one batch, and how they are initialised.

Runs with the same networks, real batches and draws are in one batch, and their shared work is done
once. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from condensery.condensing.loop import SHARED, begun, initial_state
from condensery.condensing.progress import State
from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.runs.comparison.sets import PlannedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBatch:
    """Runs that are condensed in one batch."""

    runs: tuple[PlannedRun, ...]  # at least one
    alone: str = ""  # why they do not share a larger batch; empty where all can

    @property
    def updates(self) -> int:
        """Number of image updates of each set."""
        recipe = self.runs[0].recipe
        return recipe.iterations * recipe.schedule.updates


def batched(runs: Iterable[PlannedRun]) -> tuple[RunBatch, ...]:
    """Divide runs into batches; the largest batch comes first."""
    members: dict[object, list[PlannedRun]] = {}
    for run in runs:
        own = run.name if run.recipe.schedule.reads_synthetic else ""
        members.setdefault((own, *_shared(run.recipe)), []).append(run)
    largest_first = sorted(members.values(), key=len, reverse=True)
    return tuple(
        RunBatch(runs=tuple(own), alone=_why(own[0].recipe, largest_first[0][0].recipe))
        for own in largest_first
    )


def initial_states(runs: Sequence[PlannedRun], data: ImageData, *, seed: int) -> tuple[State, ...]:
    """The states before the first iteration.

    Run ``k`` of baseline b starts with the images of rank ``k`` in the initialisation of the full
    set, as in the released MDC code, in which each run has other real images.
    """
    wholes: dict[str, State] = {}
    states: list[State] = []
    for run in runs:
        if run.rank is None or run.source is None:
            states.append(initial_state(run.recipe, data, seed=seed))
            continue
        key = str(run.source)
        if key not in wholes:
            wholes[key] = initial_state(run.source, data, seed=seed)
        states.append(_from_rank(run.recipe, wholes[key], run.rank, seed=seed))
    return tuple(states)


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
