"""A comparison in its folder: doing what is missing.

Every stage reads only files of the stage before it: checkpoints -> ``runs/`` -> ``sets/`` ->
``observations.jsonl`` -> tables. A comparison that was killed therefore goes on from anywhere, and
one that is asked for more does only that.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensery.api import Condensation
from condensery.artifact import CondensedSet
from condensery.checkpoint import Checkpoint, save_checkpoint, write_atomically
from condensery.cli.compared import content
from condensery.cli.comparison import Plan, joined
from condensery.cli.comparison_folder import ComparisonFolder, Pending
from condensery.cli.progress import listener
from condensery.comparison import (
    Run,
    assembled,
    begin,
    content_to_json,
    csv_text,
    markdown,
    render,
)
from condensery.data import Data
from condensery.errors import NonFiniteLoss
from condensery.evaluation import read_observations
from condensery.loop import run_together
from condensery.progress import State
from condensery.recipe import Recipe
from condensery.runs.comparison_files import FORMAT, MARK
from condensery.runs.evaluation import select_with_progress, train_networks
from condensery.runs.experts import train_for
from condensery.runs.folder import write_json
from condensery.runs.listener import Reporter
from condensery.selection import Trained

__all__ = ["work", "write_tables"]

CHECKPOINT_EVERY = 20.0
"""Seconds between two checkpoints of a group, at least; work that a kill can cost."""


def work(folder: ComparisonFolder, plan: Plan, data: Data) -> str:
    """Do what is missing, and write the tables.

    Returns:
        The table, and where it is.

    Raises:
        NonFiniteLoss: With what can be done about it.
        KeyboardInterrupt: With what goes on.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with folder.locked(_reporter().notice):
            begun = folder.facts()  # again: since then another process may have worked here
            if begun is not None:
                plan = joined(plan, begun, data.train, where=folder.path)
            write_json(folder.plan, {MARK: FORMAT, **plan.to_json()})
            for name in ("runs", "sets", "checkpoints"):
                (folder.path / name).mkdir(exist_ok=True)
            for pending in folder.pending(plan, _reporter().notice):
                _condense(folder, plan, data, pending)
            _gather(folder, plan, data)
            try:
                _evaluate(folder, plan, data)
            finally:  # an interrupted one shows what it has
                written = _write(folder, plan, data)
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"{error} What is finished stays in {folder.path}. Leave that method out, or give it "
            "a smaller step with --set METHOD:update.lr=..., into another folder."
        ) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Nothing that was finished is lost; the same command goes on in {folder.path}."
        ) from None
    return written


def _condense(folder: ComparisonFolder, plan: Plan, data: Data, pending: Pending) -> None:
    """Condense a group to its end and write the file of every run."""
    runs, seed, checkpoint = pending.group.runs, pending.seed, pending.checkpoint
    place = folder.checkpoints(runs[0], seed)
    if checkpoint is None:
        states, before = begin(runs, data.train, seed=seed), 0.0
    else:
        states, before = _states(checkpoint), float(checkpoint.facts["elapsed"])
        _reporter().notice(f"{_words(runs)}: goes on after iteration {checkpoint.step}.")
    recipe, names = runs[0].recipe, [run.name for run in runs]
    inner, total = recipe.schedule.updates, recipe.iterations * recipe.schedule.updates
    recipes = [_keeping(run.recipe, folder) for run in runs]
    if recipe.schedule.expert_training(recipe.network) is not None:
        first = Condensation(recipes[0], data.train, seed=seed, state=states[0], device=plan.device)
        before += train_for(first, folder.experts(recipe), _reporter(), left=None)
    began = saved_at = time.monotonic()
    elapsed, unsaved = before, False
    steps = run_together(recipes, data.train, seed=seed, states=states, device=plan.device)
    title = f"condense {_words(runs)}, seed {seed}"
    try:
        with _reporter().task(title, total=total, done=states[0].outer * inner) as show:
            for progress in steps:
                elapsed = before + time.monotonic() - began
                if not progress[0].boundary:
                    loss = sum(each.loss for each in progress)
                    show.step(f"iteration {progress[0].outer + 1}, losses {loss:.4g}")
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
        one.so_far(created=plan.created).save(folder.run(run, seed))
    cost = {"runs": names, "seed": seed, "seconds": round(elapsed, 3)}
    others = [each for each in _costs(folder) if (each["runs"], each["seed"]) != (names, seed)]
    write_json(folder.costs, {"groups": [*others, cost]})
    shutil.rmtree(place, ignore_errors=True)


def _keeping(recipe: Recipe, folder: ComparisonFolder) -> Recipe:
    """The recipe with a place for its experts; not the one that goes into files."""
    if recipe.schedule.expert_training(recipe.network) is None:
        return recipe
    return replace(recipe, schedule=recipe.schedule.with_buffer(folder.experts(recipe)))


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


def _gather(folder: ComparisonFolder, plan: Plan, data: Data) -> None:
    """Write the set of every contender: put together from runs, or selected."""
    trained: Trained = {}  # rules that compare features share their networks
    for seed in plan.seeds:
        for part in plan.condensed:
            path = folder.set(part, seed)
            if path.exists():
                continue
            if part.contender.kind == "selection":
                found = select_with_progress(
                    data.train,
                    reporter=_reporter(),
                    by=part.contender.method,
                    ipc=part.ipc,
                    seed=seed,
                    network=plan.asked.network or "convnet3",
                    device=plan.device,
                    trained=trained,
                )
                found = replace(found, manifest={**found.manifest, "created": plan.created})
            else:
                sets = [CondensedSet.load(folder.run(run, seed)) for run in part.runs]
                found = assembled(sets, name=f"{data.name}-{part.file}")
            found.save(path)


def _evaluate(folder: ComparisonFolder, plan: Plan, data: Data) -> None:
    found = folder.measurement(plan, data, known=read_observations(folder.observations))
    train_networks(found.evaluation, folder.observations, _reporter(), named=found.named)


def _write(folder: ComparisonFolder, plan: Plan, data: Data) -> str:
    """Write the tables; what is to be said of them."""
    known = read_observations(folder.observations)
    found = folder.measurement(plan, data, known=known)
    shown = content(plan, data, found, known=known, costs=_costs(folder))
    kept = json.dumps(content_to_json(shown), indent=1, ensure_ascii=False, allow_nan=False)
    _renew(folder.content, f"{kept}\n")
    texts = {"md": markdown(shown), "csv": csv_text(shown), "html": render(shown)}
    return f"{texts['md']}\nTables: {write_tables(folder.path, texts)}"


def write_tables(folder: Path, texts: Mapping[str, str]) -> str:
    """Write ``{ending: text}``, what changed; the paths, for people."""
    paths = {folder / f"table.{ending}": text for ending, text in texts.items()}
    for path, text in paths.items():
        _renew(path, text)
    return ", ".join(map(str, paths))


def _renew(path: Path, text: str) -> None:
    if not path.exists() or path.read_bytes() != text.encode():
        write_atomically(path, text.encode())


def _costs(folder: ComparisonFolder) -> list[Mapping[str, Any]]:
    if not folder.costs.exists():
        return []
    return json.loads(folder.costs.read_text(encoding="utf-8"))["groups"]


def _reporter() -> Reporter:
    return Reporter(listener())


def _words(runs: Sequence[Run]) -> str:
    return runs[0].name if len(runs) == 1 else f"{len(runs)} sets"
