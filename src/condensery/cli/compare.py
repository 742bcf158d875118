"""``condensery compare``: methods and baselines on the same data, in one table by size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from condensery.cli.options import (
    add_evaluation,
    add_machine,
    add_recipe_changes,
    add_source,
    data_source,
    evaluation_for,
)
from condensery.cli.parser import at_least, named, several, whole_numbers
from condensery.errors import ConfigError
from condensery.registry import names

if TYPE_CHECKING:
    from condensery.runs import EvaluationPlan

__all__ = [
    "BASELINES",
    "add_arguments",
    "add_seeds",
    "add_testing",
    "check_testing",
    "contenders",
    "run",
]

BASELINES = ("a", "b", "c")
"""As ``condensery.comparison`` knows them, without torch; a test holds the two together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, contenders, recipe, evaluation, machine."""
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
        type=contenders,
        default=("mdc", "c", "random"),
        help=f"{', '.join(names('method'))}; METHOD:SIZES such as idc:all; baselines a (a run for "
        "every size), b (runs of one image per class), c (one run, cut); "
        f"{', '.join(names('selection'))} (default mdc,c; random is always added)",
    )
    what.add_argument(
        "--base", type=named("method"), default="idc", help="method of a, b and c (default idc)"
    )
    what.add_argument(
        "--ipc", metavar="N", type=at_least(1), default=10, help="images per class (default 10)"
    )
    what.add_argument(
        "--sizes-tested",
        metavar="1,2,5",
        type=whole_numbers,
        dest="test_sizes",
        help="sizes of the table (default: as the preset tests)",
    )
    add_seeds(what)
    recipe = parser.add_argument_group("recipe")
    add_recipe_changes(
        recipe,
        keys="change one key of all recipes, or METHOD:KEY=VALUE of one method's; repeatable",
    )
    add_testing(parser, default="preset")
    add_machine(parser)


def add_seeds(what: argparse._ArgumentGroup) -> None:
    """How often everything is condensed, and from which seed on."""
    what.add_argument(
        "--condensations",
        metavar="N",
        type=at_least(1),
        default=1,
        help="condense everything from N seeds; ± is then over these (default 1)",
    )
    what.add_argument("--seed", type=at_least(0), default=0, help="the first seed (default 0)")


def add_testing(parser: argparse.ArgumentParser, *, default: str) -> None:
    """The options of evaluation that all rows share; ``default`` names what decides otherwise."""
    title = f"evaluation (by default as the {default} says)"
    testing = parser.add_argument_group(title)
    add_evaluation(testing, prefix="evaluate-")
    for action in testing._group_actions:  # --methods and --sizes-tested say it
        if action.dest in ("test_beside", "test_sizes"):
            action.help = argparse.SUPPRESS
        if action.dest == "test_protocol":
            action.help = (
                f"training recipe of all rows: {', '.join(names('protocol'))} (default idc, and "
                "imagenet for images of more than 64 pixels a side)"
            )


def run(arguments: argparse.Namespace) -> int:
    """Check everything, say what will run, then work."""
    from condensery.runs.evaluation import EVALUATIONS, chosen_sizes

    evaluation = evaluation_for(arguments, EVALUATIONS[arguments.preset])
    check_testing(arguments, evaluation, ipc=arguments.ipc)

    from condensery.cli import comparing
    from condensery.cli.comparison_folder import prepared
    from condensery.runs.data_source import describe
    from condensery.runs.machine import check_device

    check_device(arguments.device)
    folder, plan, data = prepared(
        arguments.out,
        data_source(arguments, arguments.data).load,
        arguments,
        methods=arguments.methods,
        ipc=arguments.ipc,
        base=arguments.base,
        network=arguments.network,
        sizes=evaluation.sizes or chosen_sizes(arguments.ipc, preset=arguments.preset),
        evaluation=evaluation,
    )
    if arguments.dry_run:
        print(folder.outlook(plan, data))
        return 0
    print(describe(data), file=sys.stderr)
    print(folder.outlook(plan, data), file=sys.stderr)
    print(comparing.work(folder, plan, data))
    return 0


def check_testing(arguments: argparse.Namespace, evaluation: EvaluationPlan, *, ipc: int) -> None:
    """Refuse what no comparison can test.

    Raises:
        ConfigError: For sets beside, which are rows here, and sizes that no set has.
    """
    if arguments.test_beside is not None:
        raise ConfigError(
            "--evaluate-beside: whatever stands beside is named in --methods here, such as "
            f"--methods {','.join((*(arguments.methods or ()), *arguments.test_beside))}."
        )
    if any(size > ipc for size in evaluation.sizes or ()):
        raise ConfigError(
            f"--sizes-tested {max(evaluation.sizes or ())}: the sets hold {ipc} images per class. "
            f"Test sizes 1..{ipc}, or make larger sets."
        )


def contenders(text: str) -> tuple[str, ...]:
    """Words with commas, each a contender."""
    from condensery.comparison.contenders import contender

    words = several(text)
    try:
        for word in words:
            contender(word, base="idc")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return words
