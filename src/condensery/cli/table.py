"""``condensery table``: the table of a paper on the given data, with the figures of the paper."""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path

from condensery.cli.options import (
    add_machine,
    add_pool,
    add_row_evaluation,
    add_seeds,
    add_set,
    evaluation_for,
    pool,
    rows,
    values,
)
from condensery.cli.parser import one_of, several


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of table, data, budget, changes, evaluation and machine."""
    from condensery.methods import PRESETS
    from condensery.runs.tables.papers import TABLES

    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        type=one_of(tuple(TABLES)),
        help=f"{', '.join(TABLES)}; without a name: what these are",
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        metavar="NAME=PATH",
        type=_named_path,
        action="append",
        default=[],
        help="where a data set is, such as cifar10='data/cifar10-*.parquet'; repeatable, also for "
        "several files of one; a name of your own adds your data to the table",
    )
    data.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        help="folder in which data sets are looked for by name",
    )
    data.add_argument(
        "--download",
        action="store_true",
        help="fetch what is not in --data-dir from the Hugging Face hub, once",
    )
    data.add_argument(
        "--only", metavar="A,B", type=several, help="data sets to work on (default all of them)"
    )
    what = parser.add_argument_group("what is made")
    what.add_argument(
        "--budget",
        type=one_of(PRESETS),
        default="quick",
        help=f"{', '.join(PRESETS)} (default quick; paper is the published length)",
    )
    what.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="folder of the table, with one of every data set inside; what is there is not done "
        "again (default NAME-BUDGET)",
    )
    what.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would run and, after a short probe, about how long it takes; then stop",
    )
    what.add_argument(
        "--methods",
        metavar="A,B",
        type=rows,
        help="rows instead of the table's; more such as nested or idc:all (random is always added)",
    )
    add_seeds(what)
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument("--network", help="matching network, by name or package.module:factory")
    add_set(
        recipe,
        keys="change one key of all recipes, or METHOD:KEY=VALUE of one method's; repeatable",
    )
    add_row_evaluation(parser, default="budget")
    add_pool(add_machine(parser))


def run(arguments: argparse.Namespace) -> int:
    """List the tables, or reproduce one and print it."""
    from condensery.runs.tables.papers import TABLES

    if arguments.name is None:
        width = max(map(len, TABLES))
        for each in TABLES.values():
            print(f"{each.name:{width}}  {', '.join(each.data)}: {each.summary}")
        return 0

    from condensery.cli.progress import listener
    from condensery.runs import table

    paths: dict[str, list[str]] = {}
    for name, path in arguments.data:
        paths.setdefault(name, []).append(path)
    done = table(
        arguments.name,
        data=paths,
        **values(arguments, "data_dir", "download", "only", "out", "budget", "methods"),
        **values(arguments, "network", "condensations", "seed", "device", "threads", "dry_run"),
        settings=dict(arguments.set),
        evaluation=partial(evaluation_for, arguments),
        on=pool(arguments),
        progress=listener(),
    )
    if arguments.dry_run:
        print(done.outlook())
    else:
        print(f"{done.table()}\nTables: {', '.join(map(str, done.tables.values()))}")
    return 0


def _named_path(text: str) -> tuple[str, str]:
    name, equals, path = (part.strip() for part in text.partition("="))
    if not equals or not path or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no NAME=PATH, such as cifar10=data/cifar-10-batches-py"
        )
    return name, path
