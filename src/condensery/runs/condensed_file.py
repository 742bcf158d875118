"""The evaluation of a condensed file: every network is stored, and the summary is in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.hub import is_on_hub, located
from condensery.errors import ConfigError
from condensery.evaluation import summary
from condensery.files import check_new_file
from condensery.parallel import Pool, pool_of
from condensery.runs import machine
from condensery.runs.data_source import describe, facts_of_data, load_source
from condensery.runs.evaluation import (
    EvaluationPlan,
    chosen_sizes,
    merged,
    planned,
    train_planned,
)
from condensery.runs.folder import RunFolder
from condensery.runs.listener import Listener, Reporter
from condensery.runs.report import draw_report
from condensery.runs.tracking import GivenTrackers, trackers, tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvaluation:
    """The result of the evaluation of a condensed file.

    Attributes:
        records: Means and deviations of this evaluation, by size.
        all_records: These, and those of earlier evaluations in the file.
        observations: File with one line for each network; ``None`` if none was written.
        report: The report that was written again; ``None`` if there is none.
    """

    records: Sequence[Mapping[str, Any]]
    all_records: Sequence[Mapping[str, Any]]
    observations: Path | None
    report: Path | None


def evaluate_file(
    file: str | Path,
    data: object,
    *,
    evaluation: EvaluationPlan | None = None,
    out: str | Path | None = None,
    save: bool = True,
    device: str = "cpu",
    threads: int | None = None,
    on: str | Pool | None = None,
    progress: Listener | None = None,
    track: GivenTrackers = None,
) -> FileEvaluation:
    """Evaluate a condensed file; the same call continues an interrupted evaluation.

    Args:
        file: A condensed file, or with ``save=False`` one of the Hub: ``hf://USER/NAME``.
        data: The data of the set, as in ``run``.
        evaluation: The evaluation plan; ``None`` is one usual network for every size.
        out: File with one line for each network; networks in it are not trained again. ``None`` is
            the ``observations.jsonl`` of the run folder of the file, if it is in one.
        save: Whether the summary is written into the file, and the report of the run updated.
        device: Such as ``"cpu"`` or ``"cuda"``; ``"auto"`` is a GPU if there is one.
        threads: As in ``run``; on a cluster the threads of each network, 1 by default.
        on: Where networks are trained, as in ``evaluate``.
        progress: As in ``run``.
        track: As in ``run``.

    Raises:
        ConfigError, DataError, ArtifactError: If something cannot work; before any training.
        KeyboardInterrupt: Says how to continue.
    """
    if save and is_on_hub(file):
        raise ConfigError(
            f"{file}: lies on the Hub, but the results of an evaluation are written into the file. "
            "Fetch it with 'condensery pull' and give the copy; or give --no-save (save=False), "
            "with --out FILE (out=) to keep every trained network."
        )
    reporter = Reporter(progress, track=trackers(track))
    if out is not None:
        check_new_file(Path(out), overwrite=True)
    file = located(file)
    folder = RunFolder(file.parent)
    in_run = folder.facts_file.exists() and save
    path = Path(out) if out is not None else folder.observations if in_run else None
    with machine.torch_threads(threads):
        pool = pool_of(on, device=device, threads=threads)
        device = machine.device_here(device, pool)
        condensed = CondensedSet.load(file)
        loaded = load_source(data)[1]
        plan = evaluation or EvaluationPlan()
        if plan.sizes is None:
            plan = replace(plan, sizes=chosen_sizes(condensed.sizes, preset="standard"))
        protocol = planned(condensed, loaded, plan, device=device).protocol
        reporter.notice(describe(loaded))
        why = "given" if plan.protocol else f"that of the set's method, {condensed.method}"
        reporter.notice(f"protocol: {protocol.name} ({why})")
        name = file.absolute().parent.name if in_run else file.stem
        facts = {"file": file.name, "data": facts_of_data(loaded), "evaluation": asdict(plan)}
        try:
            with tracking(reporter.trackers, name, file.parent, facts):
                observations = train_planned(
                    condensed,
                    loaded,
                    plan,
                    device=device,
                    path=path,
                    reporter=reporter,
                    pool=pool,
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_how_to_go_on(path)) from None
    records = summary(observations)
    known = merged(condensed.observations, records)
    report = None
    if save:
        condensed.with_observations(known).save(file)
        if in_run and folder.outcome.exists():  # else the run goes on, and will draw it itself
            report = draw_report(folder)
    return FileEvaluation(records=records, all_records=known, observations=path, report=report)


def _how_to_go_on(path: Path | None) -> str:
    if path is None:
        return "keep what was trained with --out FILE next time"
    return f"{path} keeps the networks that were trained; the same command goes on."
