"""``condensery resume``: continue a run that was stopped, or add what it lacks."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import add_set, add_track
from condensery.cli.parser import duration
from condensery.launch import process_index
from condensery.runs.folder import RunFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, and the options that may change."""
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run")
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", help="where the same data is now, if it was moved"
    )
    parser.add_argument(
        "--time-budget",
        metavar="TIME",
        type=duration,
        help="another budget for condensing, counted from the run's beginning",
    )
    add_set(parser, keys="change a key of the recipe from here on; the result is then another")
    add_track(parser)


def run(arguments: argparse.Namespace) -> int:
    """Continue the run, and print the result."""
    if process_index() == 0:
        RunFolder(arguments.run).facts()  # before torch is imported

    from condensery.cli.progress import listener
    from condensery.runs import resume

    done = resume(
        arguments.run,
        data=arguments.data,
        settings=dict(arguments.set),
        time_budget=arguments.time_budget,
        progress=listener(),
        track=arguments.track,
    )
    print(done.summary())
    return 0
