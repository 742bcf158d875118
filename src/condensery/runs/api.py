"""``run`` and ``resume``: condensing in a folder from which it can be resumed; and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

import condensery.api
from condensery import quantities
from condensery.condensed.artifact import CondensedSet
from condensery.condensing.recipe import Recipe, check_readable, from_json
from condensery.data import Data
from condensery.data.skipped import remarks
from condensery.devices import deterministic, usable
from condensery.errors import ConfigError
from condensery.evaluation import Observation, read_observations, table
from condensery.formatting import duration
from condensery.methods import USUAL_METHOD
from condensery.parallel import Processes, joined
from condensery.runs import machine
from condensery.runs.data_source import DataSource, describe, facts_of_data, load_again, load_source
from condensery.runs.driver import work
from condensery.runs.evaluation import (
    EVALUATIONS,
    GivenEvaluation,
    chosen_sizes,
    evaluation_of,
    planned,
)
from condensery.runs.folder import RunFolder
from condensery.runs.lines import read_lines
from condensery.runs.listener import Listener, Reporter
from condensery.runs.monitor import proxy_line
from condensery.runs.plan import RunPlan, check_limits, check_same_plan
from condensery.runs.tracking import GivenTrackers, trackers, tracking


class Run:
    """The folder of a finished or stopped run.

    Every property reads the files again, so a ``Run`` also shows the progress of a run in another
    process.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a folder that ``run`` or ``condensery condense`` made.

        Raises:
            ArtifactError: If it is not a run folder, or has a newer format.
        """
        self.path = Path(path)
        self._folder = RunFolder(self.path)
        self._folder.facts()

    @property
    def facts(self) -> Mapping[str, Any]:
        """The content of ``recipe.json``: data, recipe, seed, machine, evaluation, versions."""
        return self._folder.facts()

    @property
    def recipe(self) -> Recipe:
        """The complete recipe."""
        return from_json(self.facts["recipe"])

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """How condensing ended (``reason``, ``iterations``, ``of``, ``seconds``, ...).

        None if it has not ended yet.
        """
        file = self._folder.outcome
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    @property
    def condensed(self) -> CondensedSet:
        """The condensed set.

        Raises:
            ArtifactError: If condensing has not ended yet; ``resume`` continues it.
        """
        return CondensedSet.load(self._folder.condensed)

    @property
    def observations(self) -> list[Observation]:
        """One observation for every network that was trained on the set or on a baseline."""
        return read_observations(self._folder.observations)

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record for every image update: losses, sizes, seconds."""
        return read_lines(self._folder.metrics)

    @property
    def proxy(self) -> list[dict[str, Any]]:
        """One record for every measure of all sizes during the run."""
        return read_lines(self._folder.proxy)

    @property
    def report(self) -> Path:
        """The report for people, which exists when the run is finished."""
        return self._folder.report

    def table(self) -> str:
        """Accuracy by size as a Markdown table; empty if nothing was evaluated."""
        records = self.condensed.observations
        return table(records) if records else ""

    def summary(self) -> str:
        """The final text of a command: the table, the proxy, and the paths of the files."""
        parts = [f"{text}\n" for text in (self.table(),) if text]
        parts += [text for text in (proxy_line(self._folder.proxy),) if text]
        files = (f"Condensed file: {self._folder.condensed}", f"Report: {self.report}")
        return "\n".join((*parts, *files))

    def __repr__(self) -> str:
        facts = self.facts
        recipe, outcome = facts["recipe"], self.outcome
        what = f"{recipe['method']} on {facts['data']['name']}, {recipe['ipc']} images per class"
        if outcome is None:
            state = f"condensing is not finished: condensery.resume({str(self.path)!r})"
        else:
            reason = outcome["reason"]
            how = "complete" if reason == "complete" else f"ended by its {reason}"
            done = f"{outcome['iterations']} of {outcome['of']} iterations"
            state = f"{how} after {done} in {duration(outcome['seconds'])}"
            state += f", report {self.report}" if self.report.exists() else ", not evaluated yet"
        return f"<Run {self.path}: {what}; {state}>"


def run(
    data: object,
    out: str | Path,
    *,
    method: str = USUAL_METHOD,
    ipc: int = 10,
    preset: str = "quick",
    recipe: Recipe | str | Path | None = None,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
    time_budget: float | str | None = None,
    patience: int | None = None,
    evaluation: GivenEvaluation | Literal[False] = None,
    overwrite: bool = False,
    go_on: bool = False,
    progress: Listener | None = None,
    track: GivenTrackers = None,
    **parts: Any,  # noqa: ANN401 - checked by condense
) -> Run:
    """Condense into a folder, evaluate the result, and draw a report.

    This is ``condensery condense``, with the same folder, files and bits. ``resume`` continues a
    run that was stopped in any way. In processes that ``torchrun`` started, all of them condense
    together, and process 0 does the rest.

    Args:
        data: A source for ``load_data``, a ``Data``, or a ``DataSource``. If the images are not in
            files (arrays, a torch data set), ``resume`` needs them again.
        out: New folder of the run.
        method: As in ``condense``. So are ``ipc``, ``preset``, ``recipe``, ``settings``, ``seed``,
            ``device`` and ``memory``.
        ipc: Images per class.
        preset: Length of condensing, and of the evaluation.
        recipe: A complete recipe, or its file.
        settings: Single keys of the recipe, ``{"update.lr": 0.01}``.
        seed: Seed of all draws.
        device: Such as ``"cpu"`` or ``"cuda"``; ``"auto"`` is a GPU if there is one.
        threads: Threads of torch on the CPU; ``None`` does not change their number. Equal bits
            need an equal number.
        memory: Limit in bytes for the feature maps of a matching pass.
        time_budget: Seconds, or text such as ``"10m"``, after which condensing ends with its
            current result.
        patience: Number of measures of the sizes without a better mean after which condensing
            ends; a run has 20 measures.
        evaluation: How the result is evaluated; ``None``: as the preset says (``EVALUATIONS``); a
            function changes that plan; ``False``: no evaluation.
        overwrite: Whether a run in the folder is replaced. Other folders are never removed.
        go_on: Whether a run in the folder is continued if it is this very run.
        progress: A listener, called with every ``Event``. ``None``: a bar on a terminal and in a
            notebook, and nothing elsewhere.
        track: Trackers that get numbers and pictures during the run: ``"tensorboard"``,
            ``"wandb:PROJECT"``, ``"mlflow:EXPERIMENT"``, ``"trackio:PROJECT"``, or ``Tracker``
            objects. They do not change the run, and one that fails is left out.
        **parts: Other parts of the recipe, as in ``condense``: ``network=``, ``size_policy=``,
            ``objective=`` and so on.

    Returns:
        The finished run.

    Raises:
        ConfigError, DataError: If something cannot work; before the folder is created.
        NonFiniteLoss: The last checkpoint is that of the last good iteration.
        KeyboardInterrupt: Says how to continue.

    Example:
        ``condensery.run("digits", out="RUN", method="mdc", time_budget=600).condensed.take(3)``
    """
    if go_on and overwrite:
        raise ConfigError("resume and overwrite (--resume, --overwrite) exclude each other.")
    processes = joined()
    folder, reporter = RunFolder(Path(out)), _reporter(progress, track, processes)
    begun = _begun(folder, processes) if go_on else None
    if processes.first and begun is None:
        folder.check_new(overwrite=overwrite)
    budget = _seconds(time_budget)
    check_limits(time_budget=budget, patience=patience)
    if begun is not None and threads is None:
        threads = begun.threads
    with machine.torch_threads(threads) as used:
        device, source, loaded = processes.everyone(lambda: _checked_source(data, device))
        condensation = condensery.api.condense(
            loaded,
            method=method,
            ipc=ipc,
            preset=preset,
            recipe=recipe,
            settings=settings,
            seed=seed,
            device=processes.device(device),
            memory=memory,
            processes=processes,
            **parts,
        )
        resolved = condensation.recipe
        check_readable(resolved)
        machine.check_engine(resolved, loaded.train, seed=seed)
        tested = None
        if evaluation is not False:
            preset = resolved.preset if resolved.preset in EVALUATIONS else "quick"
            tested = evaluation_of(evaluation, EVALUATIONS[preset])
            if tested.sizes is None:
                tested = replace(tested, sizes=chosen_sizes(resolved.ipc, preset=preset))
            # What is checked is the beginning: it has the shape of the result.
            if processes.first:
                planned(condensation.snapshot(created=""), loaded, tested, device=device)
        plan = RunPlan(
            source=source,
            data={**facts_of_data(loaded), **remarks(loaded.skipped, loaded.notices)},
            recipe=resolved,
            seed=seed,
            device=device,
            threads=used,
            time_budget=budget,
            patience=patience,
            evaluation=tested,
            created=machine.now() if begun is None else begun.created,
            deterministic=torch.are_deterministic_algorithms_enabled(),
        )
        if begun is not None:
            check_same_plan(begun, plan, where=folder.path)
            plan = begun
        with ExitStack() as held:
            if processes.first and begun is None:
                held.enter_context(
                    folder.anew(plan.to_json(), overwrite=overwrite, notice=reporter.notice)
                )
            elif processes.first:
                held.enter_context(folder.locked(reporter.notice))
            reporter.notice(describe(loaded))
            reporter.notice(f"engine: {resolved.engine} ({resolved.engine_reason})")
            with tracking(reporter.trackers, _name(folder), folder.path, plan.to_json()):
                work(folder, plan, loaded, reporter, condensation=condensation, processes=processes)
    return _finished(folder, processes)


def resume(
    path: str | Path,
    *,
    data: object = None,
    settings: Mapping[str, object] | None = None,
    time_budget: float | str | None = None,
    progress: Listener | None = None,
    track: GivenTrackers = None,
) -> Run:
    """Continue a run that was stopped, or add what it lacks.

    A finished run is not changed.

    Args:
        path: The folder of the run.
        data: The same data, if it was moved or is not in files; ``None``: at the same place.
        settings: Keys of the recipe that change from now on, and with them the result.
        time_budget: Another time budget for condensing, counted from the start of the run.
        progress: As in ``run``.
        track: As in ``run``; only the work that is done now is tracked.

    Returns:
        The finished run.

    Raises:
        ArtifactError: If it is not a run folder, or the data is not the same.
        ConfigError: If condensing is complete and something should change, or another process works
            in the folder.
        NonFiniteLoss, KeyboardInterrupt: As in ``run``.
    """
    processes = joined()
    folder, reporter = RunFolder(Path(path)), _reporter(progress, track, processes)
    plan = _plan(folder, processes)
    budget = _seconds(time_budget)
    check_limits(time_budget=budget)
    with machine.torch_threads(plan.threads), deterministic(plan.deterministic):
        usable(plan.device)  # says so at once if it is not there any more
        loaded = processes.everyone(
            lambda: load_again(plan.source, dict(plan.data), data=data, run=folder.path)
        )
        changes = bool(settings) or budget is not None
        if changes:
            if processes.first:
                _check_incomplete(folder)
            plan = plan.changed(loaded.train, settings=settings or {}, time_budget=budget)
            machine.check_engine(plan.recipe, loaded.train, seed=plan.seed)
        with folder.locked(reporter.notice) if processes.first else nullcontext():
            if changes and processes.first:
                folder.write_facts(plan.to_json())
                folder.outcome.unlink(missing_ok=True)
            with tracking(reporter.trackers, _name(folder), folder.path, plan.to_json()):
                work(folder, plan, loaded, reporter, processes=processes)
    return _finished(folder, processes)


def _reporter(progress: Listener | None, track: GivenTrackers, processes: Processes) -> Reporter:
    """A reporter of process 0; the others report nothing."""
    if processes.first:
        return Reporter(progress, track=trackers(track))
    return Reporter(lambda _: None)


def _plan(folder: RunFolder, processes: Processes) -> RunPlan:
    """The plan of a run, which process 0 reads."""
    facts = processes.from_first(lambda: json.dumps(folder.facts()).encode())
    return RunPlan.from_json(json.loads(facts), where=folder.facts_file)


def _begun(folder: RunFolder, processes: Processes) -> RunPlan | None:
    """The plan of a run that has results; None if it begins now."""
    progress = processes.first and folder.has_progress()
    return _plan(folder, processes) if processes.any(progress)[0] else None


def _checked_source(data: object, device: str) -> tuple[str, DataSource | None, Data]:
    """The device that can be used, and what ``load_source`` returns."""
    device = usable(device)
    return device, *load_source(data)


def _finished(folder: RunFolder, processes: Processes) -> Run:
    """The run; other processes than 0 end here, as process 0 is still evaluating."""
    if not processes.first:
        raise SystemExit(0)
    return Run(folder.path)


def _name(folder: RunFolder) -> str:
    return folder.path.absolute().name


def _check_incomplete(folder: RunFolder) -> None:
    """Refuse changes of a run with all of its iterations.

    Raises:
        ConfigError: If a change would have no effect.
    """
    outcome = folder.outcome
    if outcome.exists() and json.loads(outcome.read_text("utf-8"))["reason"] == "complete":
        raise ConfigError(
            f"{folder.path}: condensing is complete, so --set (settings=) and --time-budget "
            "(time_budget=) have nothing to change. Resume without them, or condense anew into "
            "another folder."
        )


def _seconds(time: float | str | None) -> float | None:
    return quantities.duration(time) if isinstance(time, str) else time
