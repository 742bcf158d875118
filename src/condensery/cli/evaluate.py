"""``condensery evaluate``: test every size of a condensed file beside random real images."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from condensery.cli.options import (
    add_data,
    add_evaluation,
    add_machine,
    data_source,
    evaluation_for,
)
from condensery.cli.parser import fraction
from condensery.runs.files import check_new_file
from condensery.runs.folder import RunFolder

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, the data, how to train, what to keep."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", required=True, help="the data it was condensed from"
    )
    add_data(parser)
    testing = parser.add_argument_group("evaluation")
    add_evaluation(testing, prefix="")
    testing.add_argument(
        "--full-accuracy",
        metavar="X",
        type=fraction,
        help="of a network trained on all data, such as 0.85: robust scores are shown, too",
    )
    keeping = parser.add_argument_group("what is kept")
    keeping.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="keep one line a trained network; those it holds are not trained again "
        "(default: the observations.jsonl of the run that the file lies in)",
    )
    keeping.add_argument(
        "--no-save", action="store_true", help="leave the condensed file and its run as they are"
    )
    add_machine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, print the table, and write the summary into the file."""
    if arguments.out is not None:
        check_new_file(arguments.out, overwrite=True)

    from condensery.artifact import CondensedSet
    from condensery.cli.progress import listener
    from condensery.evaluation import score_table, summary, table
    from condensery.runs import EvaluationPlan, Reporter, machine
    from condensery.runs.data_source import describe
    from condensery.runs.evaluation import chosen_sizes, merged, planned, train_planned

    reporter = Reporter(listener())
    with machine.torch_threads(arguments.threads):
        machine.check_device(arguments.device)
        condensed = CondensedSet.load(arguments.file)
        data = data_source(arguments, arguments.data).load()
        evaluation = evaluation_for(arguments, EvaluationPlan(classes=arguments.classes))
        if evaluation.sizes is None:
            sizes = chosen_sizes(condensed.sizes, preset="standard")
            evaluation = replace(evaluation, sizes=sizes)
        recipe = planned(condensed, data, evaluation, device=arguments.device).protocol
        in_run = (arguments.file.parent / "recipe.json").exists() and not arguments.no_save
        own = arguments.file.parent / "observations.jsonl"
        out = arguments.out or (own if in_run else None)
        reporter.notice(describe(data))
        why = "given" if evaluation.protocol else f"that of the set's method, {condensed.method}"
        reporter.notice(f"protocol: {recipe.name} ({why})")
        try:
            observations = train_planned(
                condensed, data, evaluation, device=arguments.device, path=out, reporter=reporter
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_how_to_go_on(out)) from None
    records = summary(observations)
    known = merged(condensed.observations, records)
    if not arguments.no_save:  # before anything is printed: the output may be closed
        condensed.with_observations(known).save(arguments.file)
    print(table(records))
    if arguments.full_accuracy is not None:
        print(f"\n{score_table(known, full=arguments.full_accuracy)}")
    if not arguments.no_save:
        print(f"\nWritten into {arguments.file}" + (f" and {out}" if out else ""))
        if in_run:
            _redraw(RunFolder(arguments.file.parent))
    elif out is not None:
        print(f"\nWritten to {out}")
    return 0


def _how_to_go_on(out: Path | None) -> str:
    if out is None:
        return "keep what was trained with --out FILE next time"
    return f"{out} keeps the networks that were trained; the same command goes on."


def _redraw(folder: RunFolder) -> None:
    """Draw the run's report anew, with the new observations."""
    from condensery.runs.report import draw_report

    if folder.outcome.exists():  # else the run goes on, and will draw it itself
        draw_report(folder)
        print(f"Report: {folder.report}")
