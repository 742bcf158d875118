"""The work of a comparison in its folder: the remaining work is done, and the tables are written.

Every stage reads only files of the stage before it: checkpoints -> ``runs/`` -> ``sets/`` ->
``observations.jsonl`` -> tables. Therefore a killed comparison can be continued at any point, and a
comparison with more methods, sizes or condensations does only the new work.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensery.api import Condensation, with_place
from condensery.checkpoint import Checkpoint, CheckpointTimer, save_checkpoint, write_atomically
from condensery.condensed.artifact import CondensedSet
from condensery.condensing.loop import run_together
from condensery.condensing.progress import State
from condensery.condensing.recipe import Recipe
from condensery.data import Data, ImageData, whitened
from condensery.errors import NonFiniteLoss
from condensery.evaluation import read_observations
from condensery.interrupts import raise_if_interrupted
from condensery.parallel import THREADS, Pool
from condensery.runs import machine
from condensery.runs.comparison.batches import initial_states
from condensery.runs.comparison.folder import ComparisonFolder
from condensery.runs.comparison.plan import ComparisonPlan, joined
from condensery.runs.comparison.results import content
from condensery.runs.comparison.sets import PlannedRun, assembled
from condensery.runs.comparison.status import PendingBatch, measured, pending
from condensery.runs.comparison.text import csv_text, markdown, page
from condensery.runs.evaluation import select_with_progress, train_networks
from condensery.runs.experts import train_missing
from condensery.runs.folder import write_json
from condensery.runs.listener import Reporter
from condensery.runs.reranking import rerank_with_progress
from condensery.selection import FEATURE_NETWORK

CHECKPOINT_EVERY = 20.0
"""Smallest number of seconds between two checkpoints of a batch (see ``CheckpointTimer``), and
between two states that come from a worker of a cluster."""


def work(
    folder: ComparisonFolder,
    plan: ComparisonPlan,
    data: Data,
    reporter: Reporter,
    *,
    pool: Pool = THREADS,
) -> None:
    """Do the remaining work, and write the tables.

    Raises:
        ConfigError: If the pool is a cluster that is not there.
        LostWorkers: If the workers of one task of a cluster were lost too often.
        NonFiniteLoss: With advice.
        KeyboardInterrupt: Says how to continue.
    """
    device = machine.device_here(plan.device, pool)
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with folder.locked(reporter.notice):
            begun = folder.facts()  # again: since then another process may have worked here
            if begun is not None:
                plan = joined(plan, begun, data.train, where=folder.path)
            folder.begin(plan.to_json())
            _condense_all(folder, plan, data, reporter, pool, device)
            _make_sets(folder, plan, data, reporter, device)
            try:
                _evaluate(folder, plan, data, reporter, pool, device)
            finally:  # an interrupted one shows what it has
                _write(folder, plan, data)
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"{error} What is finished stays in {folder.path}. Leave that method out, or give it "
            "a smaller step with --set METHOD:update.lr=..., into another folder."
        ) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Nothing that was finished is lost; the same command goes on in {folder.path}."
        ) from None


def _condense_all(
    folder: ComparisonFolder,
    plan: ComparisonPlan,
    data: Data,
    reporter: Reporter,
    pool: Pool,
    device: str,
) -> None:
    """Condense every unfinished batch: on a cluster all together, else one after the other.

    Batches that draw from experts are condensed by this process, which has their files.
    """
    away: list[_Batch] = []
    for found in pending(folder, plan, reporter.notice):
        batch = _Batch.of(found, data.train, folder=folder, device=device)
        if batch.states is not None:
            reporter.notice(f"{_words(batch.runs)}: goes on after iteration {batch.done}.")
        recipe = with_place(batch.runs[0].recipe, whitened(data.train, batch.recipe.whiten))
        train = whitened(data.train, recipe.whiten)
        experts = recipe.schedule.experts(train, network=recipe.network, device=device)
        experts = None if experts is None else replace(experts, pool=pool)
        if pool.device is not None and experts is None:
            away.append(replace(batch, device=pool.device, send_every=CHECKPOINT_EVERY))
            continue
        if experts is not None:
            seconds = batch.seconds + train_missing(experts, reporter)
            batch = replace(batch, seconds=seconds, expert_seconds=experts.cpu_seconds)
        _condense([batch], folder, plan, data.train, reporter, THREADS, device)
    if away:
        _condense(away, folder, plan, data.train, reporter, pool, device)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Batch:
    """Runs that are condensed together, and how far they are."""

    runs: tuple[PlannedRun, ...]
    seed: int
    data: ImageData
    place: Path  # of its checkpoints
    device: str
    states: tuple[State, ...] | None = None  # after whole iterations; ``None``: at the beginning
    seconds: float = 0.0  # until then
    expert_seconds: float | None = None  # CPU seconds of the experts; ``None``: there are none
    send_every: float = 0.0  # smallest number of seconds between two states

    @staticmethod
    def of(
        found: PendingBatch, data: ImageData, *, folder: ComparisonFolder, device: str
    ) -> _Batch:
        runs, checkpoint = found.batch.runs, found.checkpoint
        return _Batch(
            runs=runs,
            seed=found.seed,
            data=data,
            place=folder.checkpoints(runs[0], found.seed),
            device=device,
            states=None if checkpoint is None else _states(checkpoint),
            seconds=0.0 if checkpoint is None else float(checkpoint.facts["elapsed"]),
        )

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first run."""
        return self.runs[0].recipe

    @property
    def done(self) -> int:
        """Number of finished iterations."""
        return 0 if self.states is None else self.states[0].outer

    @property
    def names(self) -> list[str]:
        """The names of the runs."""
        return [run.name for run in self.runs]

    def after(self, step: _Step) -> _Batch:
        """The batch after a step, if the step is the end of an iteration."""
        if step.states is None:
            return self
        return replace(self, states=step.states, seconds=step.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One image update of a batch, or the end of an iteration with its states."""

    outer: int
    loss: float
    seconds: float
    states: tuple[State, ...] | None = None


def _steps(batch: _Batch) -> Iterator[_Step]:
    """Condense a batch to its end."""
    train = whitened(batch.data, batch.recipe.whiten)
    recipes = [with_place(run.recipe, train) for run in batch.runs]
    states = batch.states or initial_states(batch.runs, batch.data, seed=batch.seed)
    began = sent_at = time.monotonic()
    for progress in run_together(
        recipes, batch.data, seed=batch.seed, states=states, device=batch.device
    ):
        first, now = progress[0], time.monotonic()
        step = _Step(
            outer=first.outer,
            loss=sum(each.loss for each in progress),
            seconds=batch.seconds + now - began,
        )
        if not first.boundary:
            yield step
        elif now - sent_at >= batch.send_every or first.state.outer == batch.recipe.iterations:
            sent_at = now
            yield replace(step, states=tuple(each.state for each in progress))


def _condense(
    batches: Sequence[_Batch],
    folder: ComparisonFolder,
    plan: ComparisonPlan,
    train: ImageData,
    reporter: Reporter,
    pool: Pool,
    device: str,
) -> None:
    """Condense batches to their ends, and write the file of every run."""
    now = {id(batch): batch for batch in batches}
    unsaved: set[int] = set()  # of which the last state is not on file
    timers = {number: CheckpointTimer(CHECKPOINT_EVERY) for number in now}
    runs = [run for batch in batches for run in batch.runs]
    updates = [batch.recipe.schedule.updates for batch in batches]
    total = sum(n * each.recipe.iterations for n, each in zip(updates, batches, strict=True))
    done = sum(n * each.done for n, each in zip(updates, batches, strict=True))
    title = f"condense {_words(runs)}, seed {batches[0].seed}"
    if len({batch.seed for batch in batches}) > 1:
        title = f"condense {_words(runs)}"
    found = pool.as_completed(
        _steps, batches, shared=[train], again=_Batch.after, one_thread=False, what="condensation"
    )
    try:
        with reporter.task(
            title, total=total, done=done, concurrent=min(pool.slots, len(batches))
        ) as task:
            for batch, step in found:
                number = id(batch)
                if step.states is None:
                    task.step(f"iteration {step.outer + 1}, losses {step.loss:.4g}")
                    continue
                now[number] = now[number].after(step)
                unsaved.add(number)
                if timers[number].due:
                    with timers[number].saving():
                        _save(now[number])
                    unsaved.discard(number)
                if now[number].done == batch.recipe.iterations:
                    _write_runs(now[number], folder, plan, train, device)
                    unsaved.discard(number)
                    del now[number]
    finally:  # an interruption or a loss that is not finite costs no whole iteration
        for number in unsaved:
            _save(now[number])
    for batch in now.values():  # whose checkpoint was after the last iteration
        _write_runs(batch, folder, plan, train, device)


def _write_runs(
    batch: _Batch, folder: ComparisonFolder, plan: ComparisonPlan, train: ImageData, device: str
) -> None:
    """Write the file of every run of a batch that is finished, and what the batch took."""
    assert batch.states is not None
    for run, state in zip(batch.runs, batch.states, strict=True):
        one = Condensation(run.recipe, train, seed=batch.seed, state=state, device=device)
        one.snapshot(created=plan.created).save(folder.run(run, batch.seed))
    cost = {"runs": batch.names, "seed": batch.seed, "seconds": round(batch.seconds, 3)}
    if batch.expert_seconds is not None:  # also if another run has trained them
        cost["expert_cpu_seconds"] = round(batch.expert_seconds, 3)
    others = [
        each
        for each in folder.costs_of_batches()
        if (each["runs"], each["seed"]) != (batch.names, batch.seed)
    ]
    write_json(folder.costs, {"groups": [*others, cost]})
    shutil.rmtree(batch.place, ignore_errors=True)


def _save(batch: _Batch) -> None:
    assert batch.states is not None
    tensors = {
        f"{number}/{name}": tensor
        for number, state in enumerate(batch.states)
        for name, tensor in state.tensors().items()
    }
    facts = {"runs": batch.names, "elapsed": batch.seconds}
    save_checkpoint(batch.place, step=batch.done, tensors=tensors, facts=facts)


def _states(checkpoint: Checkpoint) -> tuple[State, ...]:
    found: list[dict[str, Any]] = [{} for _ in checkpoint.facts["runs"]]
    for path, tensor in checkpoint.tensors.items():
        number, _, name = path.partition("/")
        found[int(number)][name] = tensor
    return tuple(State.from_tensors(checkpoint.step, tensors) for tensors in found)


def _make_sets(
    folder: ComparisonFolder, plan: ComparisonPlan, data: Data, reporter: Reporter, device: str
) -> None:
    """Write every set: from its runs, or selected; reranked if the row says so."""
    for seed in plan.seeds:
        for each in plan.condensed:
            raise_if_interrupted()
            path = folder.set(each, seed)
            if path.exists():
                continue
            if each.row.kind == "selection":
                images = select_with_progress(
                    data.train,
                    reporter=reporter,
                    by=each.row.method,
                    ipc=each.ipc,
                    seed=seed,
                    network=plan.network or FEATURE_NETWORK,
                    device=device,
                )
                images = replace(images, manifest={**images.manifest, "created": plan.created})
            else:
                sets = [CondensedSet.load(folder.run(run, seed)) for run in each.runs]
                images = assembled(sets, name=f"{data.name}-{each.file}")
            if each.row.reranked:
                images = rerank_with_progress(
                    images,
                    data,
                    network=plan.network or "convnet3",
                    seed=seed,
                    device=device,
                    reporter=reporter,
                )
            images.save(path)


def _evaluate(
    folder: ComparisonFolder,
    plan: ComparisonPlan,
    data: Data,
    reporter: Reporter,
    pool: Pool,
    device: str,
) -> None:
    known = read_observations(folder.observations)
    found = measured(folder, plan, data, known=known, device=device, pool=pool)
    train_networks(found.evaluation, folder.observations, reporter, named=found.named)


def _write(folder: ComparisonFolder, plan: ComparisonPlan, data: Data) -> None:
    """Write the tables."""
    known = read_observations(folder.observations)
    found = measured(folder, plan, data, known=known)
    shown = content(plan, data, found, known=known, costs=folder.costs_of_batches())
    _renew(folder.content, shown.to_json())
    texts = {"md": markdown(shown), "csv": csv_text(shown), "html": page(shown)}
    write_tables(folder.path, texts)


def write_tables(folder: Path, texts: Mapping[str, str]) -> None:
    """Write ``{ending: text}`` into ``table.<ending>`` if the text has changed."""
    for ending, text in texts.items():
        _renew(folder / f"table.{ending}", text)


def _renew(path: Path, text: str) -> None:
    if not path.exists() or path.read_bytes() != text.encode():
        write_atomically(path, text.encode())


def _words(runs: Sequence[PlannedRun]) -> str:
    return runs[0].name if len(runs) == 1 else f"{len(runs)} sets"
