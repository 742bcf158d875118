"""The existing and the missing results of a comparison; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from condensery.checkpoint import Checkpoint, load_latest
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.evaluation import read_observations
from condensery.parallel import THREADS, Pool
from condensery.runs.comparison.batches import RunBatch, batched
from condensery.runs.comparison.folder import ComparisonFolder
from condensery.runs.comparison.measurement import MeasuredSet, Measurement, measurement
from condensery.runs.comparison.plan import ComparisonPlan
from condensery.selection import random_selection


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBatch:
    """A batch of runs that is not finished."""

    batch: RunBatch  # the runs
    seed: int  # of the condensation
    checkpoint: Checkpoint | None = None  # where it goes on; ``None`` from the beginning


def pending(
    folder: ComparisonFolder, plan: ComparisonPlan, notice: Callable[[str], None] = lambda _: None
) -> list[PendingBatch]:
    """The batches that are not finished: those with a checkpoint, then new ones."""
    unfinished: list[PendingBatch] = []
    for seed in plan.seeds:
        runs = plan.runs
        left = {name: run for name, run in runs.items() if not folder.run(run, seed).exists()}
        for first in runs.values():
            checkpoint = load_latest(folder.checkpoints(first, seed), notice)
            if checkpoint is not None:
                own = tuple(runs[name] for name in checkpoint.facts["runs"])
                batch = RunBatch(runs=own)
                unfinished.append(PendingBatch(batch=batch, seed=seed, checkpoint=checkpoint))
                left = {name: run for name, run in left.items() if run not in own}
        unfinished.extend(PendingBatch(batch=batch, seed=seed) for batch in batched(left.values()))
    return unfinished


def evaluated_sets(folder: ComparisonFolder, plan: ComparisonPlan, data: Data) -> list[MeasuredSet]:
    """The existing sets; random real images always exist."""
    sets: list[MeasuredSet] = []
    random = cache(partial(_random, data, ipc=plan.ipc))
    for number, seed in enumerate(plan.seeds):
        for each in plan.sets:
            path = folder.set(each, seed)
            if each not in plan.condensed:
                images = random
            elif path.exists():
                images = _constant(CondensedSet.load(path))
            else:
                continue
            sets.append(
                MeasuredSet(row=each.row.name, condensation=number, sizes=each.sizes, images=images)
            )
    return sets


def measured(
    folder: ComparisonFolder,
    plan: ComparisonPlan,
    data: Data,
    *,
    known: Sequence[Any],
    device: str = "cpu",
    pool: Pool = THREADS,
) -> Measurement:
    """All networks of the existing sets; ``device`` and ``pool`` are those of their training."""
    on_device = replace(data, test=data.test.to(device))
    sets = evaluated_sets(folder, plan, data)
    choices = plan.evaluation
    return measurement(sets, on_device, seed=plan.seed, choices=choices, known=known, pool=pool)


def networks(folder: ComparisonFolder, plan: ComparisonPlan, data: Data) -> tuple[int, int]:
    """The number of trained networks, and of all networks, also of missing sets."""
    known = read_observations(folder.observations)
    evaluation = measured(folder, plan, data, known=known).evaluation
    planned, left = len(evaluation.planned), len(evaluation)
    whole = all(folder.set(each, seed).exists() for seed in plan.seeds for each in plan.condensed)
    return planned - left, planned if whole else networks_of(plan)


def networks_of(plan: ComparisonPlan) -> int:
    """The number of networks in the tables; equal sets are evaluated once."""
    sets = {(each.identity, size) for each in plan.sets for size in each.sizes}
    times = int(plan.evaluation["seeds"]) * len(plan.evaluation["networks"])
    return len(sets) * times * plan.condensations


def outlook(folder: ComparisonFolder, plan: ComparisonPlan, data: Data) -> str:
    """The remaining work and the existing results, in words."""
    unfinished = pending(folder, plan)
    trained, total = networks(folder, plan, data)
    runs, seeds = plan.runs, plan.seeds
    left = sum(len(each.batch.runs) for each in unfinished)
    lines = [
        f"compare: {', '.join(plan.methods)} at {', '.join(map(str, plan.sizes))} images per class",
        f"sets to condense: {left} of {len(runs) * len(seeds)}"
        + (f" ({len(seeds)} condensations of {len(runs)})" if len(seeds) > 1 else ""),
    ]
    for each in unfinished:
        own, batch = each.batch.runs, each.batch
        how = f"{len(own)} in one batch" if len(own) > 1 else "alone"
        why = f" ({batch.alone})" if batch.alone else ""
        at = f", goes on after iteration {each.checkpoint.step}" if each.checkpoint else ""
        lines.append(
            f"  seed {each.seed}, {how}{why}: {', '.join(run.name for run in own)}; "
            f"{batch.updates} image updates each{at}"
        )
    lines.append(f"networks to train: {total - trained} of {total}")
    return "\n".join(lines)


def _constant(images: CondensedSet) -> Callable[[int], CondensedSet]:
    return lambda seed: images


def _random(data: Data, seed: int, *, ipc: int) -> CondensedSet:
    return random_selection(data.train, ipc=ipc, seed=seed)
