"""``condensery compare``: methods and baselines on the same data, in one table by size."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from condensery.cli.options import (
    add_machine,
    add_pool,
    add_recipe_changes,
    add_row_evaluation,
    add_seeds,
    add_source,
    data_source,
    evaluation_for,
    pool,
    rows,
    values,
)
from condensery.cli.parser import at_least, named
from condensery.registry import names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of data, rows, recipe, evaluation and machine."""
    add_source(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder of the comparison; what it holds is not done again",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    what = parser.add_argument_group("what is compared")
    what.add_argument(
        "--methods",
        metavar="A,B",
        type=rows,
        default=("mdc", "c", "random"),
        help=f"{', '.join(names('method'))}; METHOD:POLICY such as idc:all; baselines a (a run for "
        "every size), b (runs of one image per class), c (one run, cut); "
        f"{', '.join(names('selection'))} (default mdc,c; random is always added)",
    )
    what.add_argument(
        "--base", type=named("method"), default="idc", help="method of a, b and c (default idc)"
    )
    what.add_argument(
        "--ipc", metavar="N", type=at_least(1), default=10, help="images per class (default 10)"
    )
    add_seeds(what)
    recipe = parser.add_argument_group("recipe")
    add_recipe_changes(
        recipe,
        keys="change one key of all recipes, or METHOD:KEY=VALUE of one method's; repeatable",
    )
    add_row_evaluation(parser, default="preset")
    add_pool(add_machine(parser))


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print the table."""
    from condensery.cli.progress import listener
    from condensery.runs import compare

    done = compare(
        data_source(arguments),
        arguments.out,
        **values(arguments, "methods", "ipc", "preset", "base", "network", "condensations"),
        **values(arguments, "seed", "device", "threads", "dry_run"),
        settings=dict(arguments.set),
        evaluation=partial(evaluation_for, arguments),
        on=pool(arguments),
        progress=listener(),
    )
    if arguments.dry_run:
        print(done.outlook)
    else:
        print(f"{done.table()}\nTables: {', '.join(map(str, done.tables.values()))}")
    return 0
