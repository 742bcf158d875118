"""The first half of a run: condense, note, checkpoint, stop in time, save the condensed file.

Goes on from the last whole checkpoint, so that a killed run and an uninterrupted one end in the
same bytes. Knows nothing about evaluation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from condensery.api import Condensation
from condensery.checkpoint import Checkpoint, load_latest, save_checkpoint
from condensery.cli.memory import peak_memory
from condensery.cli.metrics import Metrics
from condensery.cli.pictures import preview
from condensery.cli.plan import Plan
from condensery.cli.progress import clock, live, note
from condensery.cli.run_folder import RunFolder, write_json
from condensery.cli.training import provide
from condensery.cli.watching import Watch
from condensery.data import Data
from condensery.progress import Progress, State

__all__ = ["condense", "last_checkpoint"]

CHECKPOINT_EVERY = 20.0
"""Seconds between two checkpoints, at least; work that a kill can cost beyond one iteration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boundary:
    """The end of an outer iteration: where a run can go on."""

    state: State
    elapsed: float
    lines: int

    def save(self, folder: RunFolder) -> None:
        save_checkpoint(
            folder.checkpoints,
            step=self.state.outer,
            tensors=self.state.tensors(),
            facts={"elapsed": self.elapsed, "metrics": self.lines},
        )


def last_checkpoint(folder: RunFolder) -> Checkpoint | None:
    """The newest whole one; torn ones are skipped with a notice."""
    return load_latest(folder.checkpoints, note)


def condense(folder: RunFolder, plan: Plan, data: Data, *, run: Condensation | None = None) -> None:
    """Condense to the end, or until budget or patience is, and write the condensed file.

    Args:
        folder: With its ``recipe.json``.
        plan: What that says.
        data: The plan's.
        run: One that has not begun, if there is one already.

    Raises:
        NonFiniteLoss: The last checkpoint is of the last iteration that ended well.
    """
    checkpoint = last_checkpoint(folder)
    before, lines = 0.0, 0
    if checkpoint is not None:
        before, lines = float(checkpoint.facts["elapsed"]), int(checkpoint.facts["metrics"])
        state = State.from_tensors(checkpoint.step, checkpoint.tensors)
        run = Condensation(plan.recipe, data.train, seed=plan.seed, state=state, device=plan.device)
        note(f"Goes on after iteration {checkpoint.step} of {plan.recipe.iterations}.")
    elif run is None:
        run = Condensation(plan.recipe, data.train, seed=plan.seed, device=plan.device)
    left = None if plan.time_budget is None else plan.time_budget - before
    before += provide(run, folder.experts, left=left)
    with Metrics(folder.metrics, keep=lines) as metrics:
        if metrics.lines < lines:
            note(f"{folder.metrics}: {lines - metrics.lines} lines before the checkpoint are lost.")
        with Watch(folder.proxy, run, patience=plan.patience) as watch:
            outcome = _drive(folder, plan, run, metrics, watch, before=before)
    run.so_far(created=plan.created).save(folder.condensed)
    write_json(folder.outcome, outcome)


def _drive(
    folder: RunFolder,
    plan: Plan,
    run: Condensation,
    metrics: Metrics,
    watch: Watch,
    *,
    before: float,
) -> Mapping[str, Any]:
    """Take the steps; what ``outcome.json`` shall say."""
    begin = saved_at = time.monotonic()
    budget, recipe = plan.time_budget, plan.recipe
    inner = recipe.schedule.updates
    unsaved: _Boundary | None = None
    elapsed, beyond = before, 0
    if run.state.outer == 0:
        preview(folder, run)
    try:
        with live(
            "condense", total=recipe.iterations * inner, done=run.state.outer * inner, unit="step"
        ) as show:
            while (
                not _spent(budget, elapsed)
                and not watch.exhausted
                and (progress := next(iter(run), None))
            ):
                elapsed = before + time.monotonic() - begin
                if not progress.boundary:
                    beyond += 1
                    metrics.add(_record(progress, elapsed))
                    show.step(_words(progress), left=None if budget is None else budget - elapsed)
                    continue
                beyond = 0
                unsaved = _Boundary(state=progress.state, elapsed=elapsed, lines=metrics.lines)
                if time.monotonic() - saved_at >= CHECKPOINT_EVERY:
                    metrics.sync()
                    unsaved.save(folder)
                    unsaved, saved_at = None, time.monotonic()
                preview(folder, run)
                watch.boundary(run, elapsed)
    finally:  # an interruption or a loss that is not finite costs no whole iteration
        if unsaved is not None:
            metrics.sync()
            unsaved.save(folder)
        if run.ran is not run.recipe:  # compiling has failed: a resumed run does not try again
            folder.write_facts(replace(plan, recipe=run.ran).to_json())
    outer = run.state.outer
    complete = outer == recipe.iterations
    watch.end(run, beyond=beyond)
    if not complete and watch.exhausted:
        note(
            f"No size has become better on average for {plan.patience} measures, so the run ends "
            f"after iteration {outer} of {recipe.iterations}."
        )
    elif not complete:
        note(
            f"The time budget of {clock(budget or 0)} is spent in iteration {outer + 1} of "
            f"{recipe.iterations}; the result is what was reached."
        )
    return {
        "reason": "complete" if complete else "patience" if watch.exhausted else "time budget",
        "iterations": outer,
        "of": recipe.iterations,
        "steps_beyond": beyond,
        "seconds": round(elapsed, 3),
        "peak_memory_mb": _megabytes(peak_memory()),
    }


def _megabytes(size: int | None) -> float | None:
    """Of a million bytes."""
    return None if size is None else round(size / 1e6, 1)


def _spent(budget: float | None, elapsed: float) -> bool:
    return budget is not None and elapsed >= budget


def _record(progress: Progress, elapsed: float) -> dict[str, Any]:
    """A line of ``metrics.jsonl``."""
    return {
        "outer": progress.outer,
        "inner": progress.inner,
        "loss": progress.loss,
        "losses": dict(progress.losses),
        "subset": _subset(progress),
        "frozen": list(progress.frozen),
        "seconds": round(elapsed, 3),
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    }


def _subset(progress: Progress) -> list[int | str]:
    """Sizes matched beside the full set, which comes first; ``"3-7"`` if they differ by class."""
    return [int(size) if size.isdigit() else size for size in list(progress.losses)[1:]]


def _words(progress: Progress) -> str:
    sizes = _subset(progress)
    shown = ", ".join(str(size) for size in sizes[:4]) + (" ..." if len(sizes) > 4 else "")
    subset = f", subset {shown}" if sizes else ""
    where = f"iteration {progress.outer + 1}/{progress.iterations}"
    return f"{where}, loss {progress.loss:.4g}{subset}"
