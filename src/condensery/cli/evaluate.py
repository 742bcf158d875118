"""``condensery evaluate``: test every size of a condensed file beside random real images."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from condensery.cli.condense import add_data
from condensery.cli.evaluation import EvaluationPlan, add_lengths, chosen_sizes, evaluation_for
from condensery.cli.files import check_new_file
from condensery.cli.parser import at_least, fraction
from condensery.cli.run_folder import RunFolder

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, the data, how to train, what to keep."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", required=True, help="the data it was condensed from"
    )
    add_data(parser)
    testing = parser.add_argument_group("evaluation")
    add_lengths(testing, prefix="")
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
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1")
    machine.add_argument("--threads", metavar="N", type=at_least(1), help="CPU threads of torch")


def run(arguments: argparse.Namespace) -> int:
    """Train, print the table, and write the summary into the file."""
    if arguments.out is not None:
        check_new_file(arguments.out, overwrite=True)

    from condensery.artifact import CondensedSet
    from condensery.cli import work
    from condensery.cli.evaluating import merged, planned, train
    from condensery.cli.preflight import check_device, use_threads
    from condensery.evaluation import score_table, summary, table

    use_threads(arguments.threads)
    check_device(arguments.device)
    condensed = CondensedSet.load(arguments.file)
    data = work.source_of(arguments, arguments.data).load()
    evaluation = evaluation_for(arguments, EvaluationPlan(classes=arguments.classes))
    if evaluation.sizes is None:
        evaluation = replace(evaluation, sizes=chosen_sizes(condensed.sizes, preset="standard"))
    recipe = planned(condensed, data, evaluation, device=arguments.device).protocol
    beside = arguments.file.parent / "observations.jsonl"
    in_run = (arguments.file.parent / "recipe.json").exists() and not arguments.no_save
    out = arguments.out or (beside if in_run else None)
    work.introduce(data)
    given = "as asked" if evaluation.protocol else f"that of the set's method, {condensed.method}"
    print(f"protocol: {recipe.name} ({given})", file=sys.stderr)
    try:
        seen = train(condensed, data, evaluation, device=arguments.device, path=out)
    except KeyboardInterrupt:
        kept = "keep what was trained with --out FILE next time" if out is None else f"{out} keeps"
        text = f"{kept} the networks that were trained; the same command goes on." if out else kept
        raise KeyboardInterrupt(text) from None
    records = summary(seen)
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


def _redraw(folder: RunFolder) -> None:
    """Draw the run's report anew, with what was seen now."""
    from condensery.cli.reporting import report

    if folder.outcome.exists():  # else the run goes on, and will draw it itself
        report(folder)
        print(f"Report: {folder.report}")
