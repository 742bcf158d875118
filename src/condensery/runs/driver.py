"""The work of a run in its folder: condense, checkpoint, stop in time, evaluate, report.

Condensing continues from the last good checkpoint, so that a killed run and an uninterrupted one
give the same bytes. Every part does only the missing work, and a finished run is not changed.
"""

from __future__ import annotations

import io
import math
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from time import process_time
from typing import Any

from condensery.api import Condensation
from condensery.checkpoint import (
    Checkpoint,
    CheckpointTimer,
    load_latest,
    save_checkpoint,
    write_atomically,
)
from condensery.condensed.artifact import CondensedSet
from condensery.condensing.progress import Progress, State
from condensery.data import Data
from condensery.errors import NonFiniteLoss, ProcessLost
from condensery.evaluation import summary
from condensery.formatting import duration
from condensery.interrupts import deferred_interrupts, interrupt_asked, raise_if_interrupted
from condensery.parallel import ALONE, Processes
from condensery.report import contact_sheet
from condensery.report.nearest import nearest_real
from condensery.runs.evaluation import merged, train_planned
from condensery.runs.experts import train_for
from condensery.runs.folder import RunFolder, write_json
from condensery.runs.lines import LineFile
from condensery.runs.listener import Reporter
from condensery.runs.machine import peak_memory
from condensery.runs.monitor import Monitor
from condensery.runs.plan import RunPlan
from condensery.runs.report import draw_report

CHECKPOINT_EVERY = 20.0
"""Smallest number of seconds between two checkpoints; see ``CheckpointTimer``."""

_SHEET = "contact-sheet.png"
_PREVIEWS = 10


def work(
    folder: RunFolder,
    plan: RunPlan,
    data: Data,
    reporter: Reporter,
    *,
    condensation: Condensation | None = None,
    processes: Processes = ALONE,
) -> bool:
    """Do the missing work of a run, in a folder that is locked.

    Several processes condense together. Process 0 alone reads and writes the folder, evaluates and
    reports; the others end before that.

    Returns:
        Whether anything was missing.

    Raises:
        NonFiniteLoss: With advice.
        KeyboardInterrupt: With the command that continues the run.
    """
    named = shlex.quote(str(folder.path))
    try:
        missing = processes.first and not (folder.condensed.exists() and folder.outcome.exists())
        (missing,) = processes.any(missing)
        if missing:
            condense(folder, plan, data, reporter, condensation=condensation, processes=processes)
        if processes.first:
            missing = finish(folder, plan, data, reporter) or missing
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"{error} The run is in {folder.path}: condensery resume {named} --set KEY=VALUE"
        ) from error
    except ProcessLost as error:
        raise ProcessLost(
            f"{error} Nothing before the last checkpoint in {folder.checkpoints} is lost: resume "
            f"{named} in the same way, with any number of processes."
        ) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Nothing that was finished is lost: condensery resume {named}"
        ) from None
    if not missing:
        reporter.notice("This run was finished already; nothing was missing.")
    return missing


def preview_due(condensation: Condensation) -> bool:
    """Whether to draw the current images: at the start, and ten times during a run."""
    outer, whole = condensation.state.outer, condensation.recipe.iterations
    return not outer or (outer * _PREVIEWS) // whole != ((outer - 1) * _PREVIEWS) // whole


def preview(
    folder: RunFolder, condensation: Condensation, reporter: Reporter, *, state: State
) -> None:
    """Draw the current images; ``state`` is that of all processes."""
    recipe = condensation.recipe
    condensed = condensation.snapshot(created="", state=state)
    digits = len(str(recipe.iterations))
    file = _sheet(folder, condensed, name=f"iteration-{state.outer:0{digits}}.png")
    reporter.trackers.picture("images", file, at=state.outer * recipe.schedule.updates)


def _sheet(folder: RunFolder, condensed: CondensedSet, *, name: str) -> Path:
    """Draw a condensed set to ``pictures/<name>``; returns the file."""
    encoded = io.BytesIO()
    contact_sheet(condensed).save(encoded, format="PNG")
    folder.pictures.mkdir(exist_ok=True)
    file = folder.pictures / name
    write_atomically(file, encoded.getvalue())
    return file


def finish(folder: RunFolder, plan: RunPlan, data: Data, reporter: Reporter) -> bool:
    """Evaluate, and write observations, contact sheet and report.

    Returns:
        Whether anything was missing.
    """
    condensed, fresh = CondensedSet.load(folder.condensed), False
    if plan.evaluation is not None:
        observations = train_planned(
            condensed,
            data,
            plan.evaluation,
            device=plan.device,
            path=folder.observations,
            reporter=reporter,
        )
        records = merged(condensed.observations, summary(observations))
        if records != condensed.observations:
            condensed = condensed.with_observations(records)
            condensed.save(folder.condensed)
            fresh = True
    if fresh or not (folder.pictures / _SHEET).exists():
        _sheet(folder, condensed, name=_SHEET)
        fresh = True
    if not folder.nearest.exists():
        write_json(folder.nearest, nearest_real(condensed, data.train).to_json())
        fresh = True
    if fresh or not folder.report.exists():
        draw_report(folder)
        fresh = True
    return fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boundary:
    """The end of an outer iteration, from which a run can continue."""

    state: State
    elapsed: float
    cpu: float
    lines: int

    def save(self, folder: RunFolder) -> None:
        save_checkpoint(
            folder.checkpoints,
            step=self.state.outer,
            tensors=self.state.tensors(),
            facts={"elapsed": self.elapsed, "cpu": self.cpu, "metrics": self.lines},
        )


def condense(
    folder: RunFolder,
    plan: RunPlan,
    data: Data,
    reporter: Reporter,
    *,
    condensation: Condensation | None = None,
    processes: Processes = ALONE,
) -> None:
    """Condense to the end, or until the time budget or the patience ends, and write the file.

    Arguments as in ``work``.

    Raises:
        NonFiniteLoss: The last checkpoint is that of the last good iteration.
    """
    checkpoint = _from_first(
        lambda: load_latest(folder.checkpoints, reporter.notice), processes=processes
    )
    run, before, lines, cpu = condensation, 0.0, 0, 0.0
    if checkpoint is not None:
        before, lines = float(checkpoint.facts["elapsed"]), int(checkpoint.facts["metrics"])
        cpu = float(checkpoint.facts["cpu"])
        reporter.notice(f"Goes on after iteration {checkpoint.step} of {plan.recipe.iterations}.")
    if checkpoint is not None or run is None:
        run = Condensation(
            plan.recipe,
            data.train,
            seed=plan.seed,
            state=checkpoint and State.from_tensors(checkpoint.step, checkpoint.tensors),
            device=processes.device(plan.device),
            processes=processes,
        )
    left = None if plan.time_budget is None else plan.time_budget - before
    cpu += run.start_cpu_seconds
    before += processes.everyone(lambda: train_for(run, reporter, left=left, processes=processes))
    with deferred_interrupts(processes.count > 1):
        if not processes.first:
            _follow(run)
            return
        with LineFile(folder.metrics, keep=lines) as metrics:
            if metrics.lines < lines:
                lost = lines - metrics.lines
                reporter.notice(f"{folder.metrics}: {lost} lines before the checkpoint are lost.")
            with Monitor(folder.proxy, run, patience=plan.patience, reporter=reporter) as monitor:
                outcome, state = _drive(
                    folder, plan, run, metrics, monitor, reporter, before=before, cpu_before=cpu
                )
        run.snapshot(created=plan.created, state=state).save(folder.condensed)
        folder.nearest.unlink(missing_ok=True)  # of an earlier end of this run
        write_json(folder.outcome, outcome)
    raise_if_interrupted()


def _from_first(
    load: Callable[[], Checkpoint | None], *, processes: Processes
) -> Checkpoint | None:
    """The checkpoint that process 0 loads; the others may not see its files."""
    if processes.count == 1:
        return load()

    def content() -> bytes:
        found = load()
        return b"" if found is None else found.to_bytes()

    found = processes.from_first(content)
    return Checkpoint.from_bytes(found) if found else None


class _StoppedTogetherError(KeyboardInterrupt):
    """All processes have agreed to end, as one of them was asked to."""


def _steps_together(
    run: Condensation,
    *,
    over: Callable[[], bool] = lambda: False,
    wants_state: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Progress, State | None]]:
    """The steps of a run, at whose ends all processes agree about what comes next.

    Args:
        run: The run.
        over: Whether process 0 ends the run here: its clock decides.
        wants_state: Whether process 0 needs the state of all processes at a boundary.

    Yields:
        The progress, and the state of all processes where it was wanted.

    Raises:
        KeyboardInterrupt: In every process, if any was asked to end.
    """
    processes = run.processes
    while True:
        asked = processes.count > 1 and interrupt_asked()
        asked, done = processes.any(asked, processes.first and over())
        if asked:
            raise _StoppedTogetherError
        progress = None if done else next(iter(run), None)
        if progress is None:
            return
        wanted = progress.boundary and processes.any(processes.first and wants_state())[0]
        yield progress, run.whole_state() if wanted else None


def _follow(run: Condensation) -> None:
    """Take the steps in another process than 0, with the same transfers as ``_drive``."""
    boundary: State | None = None
    try:
        if run.state.outer == 0:
            run.whole_state()
        for progress, _ in _steps_together(run):
            if progress.boundary:
                boundary = progress.state
    except (NonFiniteLoss, _StoppedTogetherError):
        _last_boundary(run, boundary)
        raise
    _last_boundary(run, boundary)
    run.whole_state()


def _last_boundary(run: Condensation, boundary: State | None) -> State | None:
    """The state of all processes at the last boundary, if process 0 has not saved it."""
    (wanted,) = run.processes.any(run.processes.first and boundary is not None)
    return boundary.whole(run.processes) if wanted and boundary is not None else None


def _drive(
    folder: RunFolder,
    plan: RunPlan,
    run: Condensation,
    metrics: LineFile,
    monitor: Monitor,
    reporter: Reporter,
    *,
    before: float,
    cpu_before: float,
) -> tuple[Mapping[str, Any], State]:
    """Take the steps, and return the content of ``outcome.json`` and the state of all processes."""
    begin, timer = time.monotonic(), CheckpointTimer(CHECKPOINT_EVERY)
    cpu_before -= process_time()
    limit, recipe = plan.time_budget or math.inf, plan.recipe
    inner, total = recipe.schedule.updates, recipe.iterations * recipe.schedule.updates
    unsaved: _Boundary | None = None
    elapsed, beyond = before, 0
    # The processor of one process says nothing about the cost of a GPU or of several processes.
    timed = run.processes.count == 1 and run.device == "cpu"

    def wants_state() -> bool:
        now = before + time.monotonic() - begin
        return timer.due or preview_due(run) or monitor.due(run, now)

    def save_last() -> None:
        state = _last_boundary(run, None if unsaved is None else unsaved.state)
        if unsaved is not None and state is not None:
            metrics.sync()
            replace(unsaved, state=state).save(folder)

    if run.state.outer == 0:
        preview(folder, run, reporter, state=run.whole_state())
    try:
        with reporter.task("condense", total=total, done=run.state.outer * inner) as task:
            steps = _steps_together(
                run, over=lambda: elapsed >= limit or monitor.exhausted, wants_state=wants_state
            )
            for progress, state in steps:
                elapsed = before + time.monotonic() - begin
                if not progress.boundary:
                    beyond += 1
                    metrics.add(_record(progress, elapsed))
                    _track(progress, reporter, at=progress.outer * inner + progress.inner + 1)
                    task.step(_words(progress), left=limit - elapsed)
                    continue
                beyond = 0
                unsaved = _Boundary(
                    state=progress.state,
                    elapsed=elapsed,
                    cpu=cpu_before + process_time(),
                    lines=metrics.lines,
                )
                if state is None:
                    continue
                if timer.due:
                    with timer.saving():
                        metrics.sync()
                        replace(unsaved, state=state).save(folder)
                    unsaved = None
                if preview_due(run):
                    preview(folder, run, reporter, state=state)
                cpu = cpu_before + process_time() if timed else None
                monitor.boundary(run, elapsed, cpu=cpu, state=state)
    except BaseException as error:
        # An interruption or a loss that is not finite costs no whole iteration. After another error
        # here the other processes do not come to a transfer.
        if run.processes.count == 1 or isinstance(error, (NonFiniteLoss, _StoppedTogetherError)):
            save_last()
        raise
    else:
        save_last()
    finally:
        if run.ran != plan.recipe:  # not compiled, or smaller passes: a resumed run does the same
            folder.write_facts(replace(plan, recipe=run.ran).to_json())
    state = run.whole_state()
    outer, experts, peak = run.state.outer, run.experts(), peak_memory()
    costs = {"cpu_seconds": round(cpu_before + process_time(), 3)}
    if experts is not None:  # whoever trained them, and when
        costs["expert_cpu_seconds"] = round(experts.cpu_seconds, 3)
    complete = outer == recipe.iterations
    spent = costs["cpu_seconds"] if timed else None
    monitor.end(run, beyond=beyond, cpu=spent, state=state)
    if not complete and monitor.exhausted:
        reporter.notice(
            f"No size has become better on average for {plan.patience} measures, so the run ends "
            f"after iteration {outer} of {recipe.iterations}."
        )
    elif not complete:
        reporter.notice(
            f"The time budget of {duration(limit)} is spent in iteration {outer + 1} of "
            f"{recipe.iterations}; the result is what was reached."
        )
    outcome = {
        "reason": "complete" if complete else "patience" if monitor.exhausted else "time budget",
        "iterations": outer,
        "of": recipe.iterations,
        "steps_beyond": beyond,
        "seconds": round(elapsed, 3),
        **costs,
        "peak_memory_mb": None if peak is None else round(peak / 1e6, 1),
    }
    return outcome, state


def _track(progress: Progress, reporter: Reporter, *, at: int) -> None:
    by_size = {f"loss/size {size}": loss for size, loss in progress.losses.items()}
    reporter.trackers.log({"loss/sum": progress.loss, **by_size}, axis="update", at=at)


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
    """The matched sizes after the full set; ``"3-7"`` if they differ between classes."""
    return [int(size) if size.isdigit() else size for size in list(progress.losses)[1:]]


def _words(progress: Progress) -> str:
    sizes = _subset(progress)
    shown = ", ".join(str(size) for size in sizes[:4]) + (" ..." if len(sizes) > 4 else "")
    subset = f", subset {shown}" if sizes else ""
    where = f"iteration {progress.outer + 1}/{progress.iterations}"
    return f"{where}, loss {progress.loss:.4g}{subset}"
