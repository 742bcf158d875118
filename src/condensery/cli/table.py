"""``condensery table``: a paper's table on the data at hand, with what the paper prints beside."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from condensery.cli.compare import (
    add_seeds,
    add_testing,
    check_testing,
    contenders,
)
from condensery.cli.options import add_machine, evaluation_for
from condensery.cli.parser import one_of, setting, several, whole_numbers
from condensery.errors import ConfigError, nearest

if TYPE_CHECKING:
    from condensery.cli import tabling
    from condensery.comparison import PaperTable
    from condensery.runs import EvaluationPlan

__all__ = ["TABLES", "add_arguments", "jobs", "run"]

TABLES = ("mdc-1a", "mdc-1b", "mdc-1c", "mdc-2a", "mdc-2b")
"""As ``condensery.comparison`` knows them, without torch; a test holds the two together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Table, data, budget, what is cut or added, evaluation, machine."""
    from condensery.methods import PRESETS

    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        type=one_of(TABLES),
        help=f"{', '.join(TABLES)}; without a name: what these are",
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        metavar="NAME=PATH",
        type=_given,
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
        dest="preset",
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
        type=contenders,
        help="rows instead of the table's; more such as nested or idc:all (random is always added)",
    )
    what.add_argument(
        "--sizes-tested",
        metavar="1,2,5",
        type=whole_numbers,
        dest="test_sizes",
        help="sizes instead of the table's; a is condensed for these alone",
    )
    add_seeds(what)
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument("--network", help="matching network, by name or package.module:factory")
    recipe.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=setting,
        action="append",
        default=[],
        help="change one key of all recipes, or METHOD:KEY=VALUE of one method's; repeatable",
    )
    add_testing(parser, default="budget")
    add_machine(parser)


def run(arguments: argparse.Namespace) -> int:
    """List the tables, or check everything, say what will run, then work."""
    from condensery.comparison import TABLES as papers
    from condensery.comparison import paper_table

    if arguments.name is None:
        width = max(map(len, papers))
        for each in papers.values():
            print(f"{each.name:{width}}  {', '.join(each.data)}: {each.summary}")
        return 0
    table = paper_table(arguments.name)

    from condensery.cli import tabling

    wanted, missing = jobs(arguments, table)
    for name, how in missing.items():
        print(f"{name}: not here, left out. {how}", file=sys.stderr)
    if arguments.dry_run:
        for each in wanted:
            print(each.outlook(), flush=True)
            print(tabling.told(each.estimate()), flush=True)
        return 0
    for each in wanted:
        print(each.outlook(), file=sys.stderr)
    out = _folder(arguments)
    print(tabling.work(out, table, wanted, budget=arguments.preset, missing=missing))
    return 0


def jobs(
    arguments: argparse.Namespace, table: PaperTable
) -> tuple[list[tabling.Job], dict[str, str]]:
    """The comparisons of the data sets that are here, checked, and how to give the others.

    Raises:
        ConfigError, DataError, ArtifactError: Before anything is made.
    """
    evaluation = _evaluation(arguments, table)
    check_testing(arguments, evaluation, ipc=table.ipc)
    given = _names(arguments, table)

    from condensery.cli import tabling
    from condensery.runs.machine import check_device

    check_device(arguments.device)
    here, missing = tabling.found(
        table,
        given,
        data_dir=arguments.data_dir,
        download=arguments.download,
        only=arguments.only,
    )
    out = _folder(arguments)
    found = [
        tabling.job(out / name, table, load, arguments, evaluation) for name, load in here.items()
    ]
    return found, missing


def _folder(arguments: argparse.Namespace) -> Path:
    return arguments.out or Path(f"{arguments.name}-{arguments.preset}")


def _evaluation(arguments: argparse.Namespace, table: PaperTable) -> EvaluationPlan:
    """As the budget says, at the table's sizes, by its network."""
    from condensery.runs import EVALUATIONS

    default = EVALUATIONS[arguments.preset]
    sizes = (1, 2, table.ipc) if arguments.preset == "smoke" else table.sizes
    networks = default.networks if table.network is None else (table.network,)
    return evaluation_for(arguments, replace(default, sizes=sizes, networks=networks))


def _names(arguments: argparse.Namespace, table: PaperTable) -> dict[str, tuple[str, ...]]:
    """``{data set: its paths}`` as given, by the names that the table has for them."""
    spelt = {_plain(name): name for name in table.data}
    given: dict[str, tuple[str, ...]] = {}
    pairs: list[tuple[str, str]] = arguments.data
    words: tuple[str, ...] = arguments.only or ()
    for word, path in pairs:
        name = spelt.get(_plain(word), word)
        given[name] = (*given.get(name, ()), path)
    known = (*table.data, *(name for name in given if name not in table.data))
    chosen = [spelt.get(_plain(word), word) for word in words]
    for word in chosen:
        if word not in known:
            raise ConfigError(
                f"--only {word}: {table.name} has {', '.join(known)}.{nearest(word, known)}"
            )
    arguments.only = tuple(chosen) or known
    return given


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


def _given(text: str) -> tuple[str, str]:
    name, equals, path = (part.strip() for part in text.partition("="))
    if not equals or not path or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no NAME=PATH, such as cifar10=data/cifar-10-batches-py"
        )
    return name, path
