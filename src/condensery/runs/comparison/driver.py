"""The work of a comparison in its folder: the remaining work is done, and the tables are written.

Every stage reads only files of the stage before it: checkpoints -> ``runs/`` -> ``sets/`` ->
``observations.jsonl`` -> tables. Therefore a killed comparison can be continued at any point, and a
comparison with more methods, sizes or condensations does only the new work.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensery.api import Condensation, with_place
from condensery.checkpoint import Checkpoint, save_checkpoint, write_atomically
from condensery.condensed.artifact import CondensedSet
from condensery.condensing.loop import run_together
from condensery.condensing.progress import State
from condensery.data import Data, whitened
from condensery.errors import NonFiniteLoss
from condensery.evaluation import read_observations
from condensery.interrupts import raise_if_interrupted
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
"""Smallest number of seconds between two checkpoints of a batch, which a kill can lose."""


def work(folder: ComparisonFolder, plan: ComparisonPlan, data: Data, reporter: Reporter) -> None:
    """Do the remaining work, and write the tables.

    Raises:
        NonFiniteLoss: With advice.
        KeyboardInterrupt: Says how to continue.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with folder.locked(reporter.notice):
            begun = folder.facts()  # again: since then another process may have worked here
            if begun is not None:
                plan = joined(plan, begun, data.train, where=folder.path)
            folder.begin(plan.to_json())
            for each in pending(folder, plan, reporter.notice):
                _condense(folder, plan, data, each, reporter)
            _make_sets(folder, plan, data, reporter)
            try:
                _evaluate(folder, plan, data, reporter)
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


def _condense(
    folder: ComparisonFolder,
    plan: ComparisonPlan,
    data: Data,
    unfinished: PendingBatch,
    reporter: Reporter,
) -> None:
    """Condense a batch to its end and write the file of every run."""
    runs, seed, checkpoint = unfinished.batch.runs, unfinished.seed, unfinished.checkpoint
    place = folder.checkpoints(runs[0], seed)
    if checkpoint is None:
        states, before = initial_states(runs, data.train, seed=seed), 0.0
    else:
        states, before = _states(checkpoint), float(checkpoint.facts["elapsed"])
        reporter.notice(f"{_words(runs)}: goes on after iteration {checkpoint.step}.")
    recipe, names = runs[0].recipe, [run.name for run in runs]
    inner, total = recipe.schedule.updates, recipe.iterations * recipe.schedule.updates
    train = whitened(data.train, recipe.whiten)
    recipes = [with_place(run.recipe, train) for run in runs]
    experts = recipes[0].schedule.experts(train, network=recipe.network, device=plan.device)
    before += 0.0 if experts is None else train_missing(experts, reporter)
    began = saved_at = time.monotonic()
    elapsed, unsaved = before, False
    steps = run_together(recipes, data.train, seed=seed, states=states, device=plan.device)
    title = f"condense {_words(runs)}, seed {seed}"
    try:
        with reporter.task(title, total=total, done=states[0].outer * inner) as task:
            for progress in steps:
                elapsed = before + time.monotonic() - began
                if not progress[0].boundary:
                    loss = sum(each.loss for each in progress)
                    task.step(f"iteration {progress[0].outer + 1}, losses {loss:.4g}")
                    continue
                states, unsaved = tuple(each.state for each in progress), True
                if time.monotonic() - saved_at >= CHECKPOINT_EVERY:
                    _save(place, names, states, elapsed)
                    unsaved, saved_at = False, time.monotonic()
    finally:  # an interruption or a loss that is not finite costs no whole iteration
        if unsaved:
            _save(place, names, states, elapsed)
    for run, state in zip(runs, states, strict=True):
        one = Condensation(run.recipe, data.train, seed=seed, state=state, device=plan.device)
        one.snapshot(created=plan.created).save(folder.run(run, seed))
    cost = {"runs": names, "seed": seed, "seconds": round(elapsed, 3)}
    if experts is not None:  # whoever trained them, and when
        cost["expert_cpu_seconds"] = round(experts.cpu_seconds, 3)
    others = [
        each for each in folder.costs_of_batches() if (each["runs"], each["seed"]) != (names, seed)
    ]
    write_json(folder.costs, {"groups": [*others, cost]})
    shutil.rmtree(place, ignore_errors=True)


def _save(place: Path, names: list[str], states: Sequence[State], elapsed: float) -> None:
    tensors = {
        f"{number}/{name}": tensor
        for number, state in enumerate(states)
        for name, tensor in state.tensors().items()
    }
    facts = {"runs": names, "elapsed": elapsed}
    save_checkpoint(place, step=states[0].outer, tensors=tensors, facts=facts)


def _states(checkpoint: Checkpoint) -> tuple[State, ...]:
    found: list[dict[str, Any]] = [{} for _ in checkpoint.facts["runs"]]
    for path, tensor in checkpoint.tensors.items():
        number, _, name = path.partition("/")
        found[int(number)][name] = tensor
    return tuple(State.from_tensors(checkpoint.step, tensors) for tensors in found)


def _make_sets(
    folder: ComparisonFolder, plan: ComparisonPlan, data: Data, reporter: Reporter
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
                    device=plan.device,
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
                    device=plan.device,
                    reporter=reporter,
                )
            images.save(path)


def _evaluate(
    folder: ComparisonFolder, plan: ComparisonPlan, data: Data, reporter: Reporter
) -> None:
    found = measured(folder, plan, data, known=read_observations(folder.observations))
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
