"""``condensery evaluate``: test every size of a condensed file and of its baselines."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import (
    add_data,
    add_evaluation,
    add_machine,
    add_pool,
    add_track,
    data_source,
    evaluation_for,
    pool,
)
from condensery.cli.parser import fraction
from condensery.files import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the data, the evaluation and the results."""
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
        help="of a network trained on all data, such as 0.85, for the robust scores; --whole "
        "measures it",
    )
    keeping = parser.add_argument_group("what is stored")
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
    add_track(keeping)
    add_pool(add_machine(parser))


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, and print the table."""
    if arguments.out is not None:
        check_new_file(arguments.out, overwrite=True)  # before torch is imported

    from condensery.cli.progress import listener
    from condensery.evaluation import score_table, table
    from condensery.runs import EvaluationPlan, evaluate_file

    file, save = arguments.file, not arguments.no_save
    done = evaluate_file(
        file,
        data_source(arguments),
        evaluation=evaluation_for(arguments, EvaluationPlan(classes=arguments.classes)),
        out=arguments.out,
        save=save,
        device=arguments.device,
        threads=arguments.threads,
        on=pool(arguments),
        progress=listener(),
        track=arguments.track,
    )
    print(table(done.records))
    if arguments.full_accuracy is not None or any("whole" in each for each in done.records):
        print(f"\n{score_table(done.all_records, full=arguments.full_accuracy)}")
    written = " and ".join(
        str(path) for path in (file if save else None, done.observations) if path
    )
    if written:
        print(f"\nWritten {'into' if save else 'to'} {written}")
    if done.report is not None:
        print(f"Report: {done.report}")
    return 0
