"""``condensery recipe``: write the complete recipe of a method into a file that can be edited."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from condensery.cli.options import add_data, add_recipe_changes, data_source, values
from condensery.cli.parser import at_least, named
from condensery.registry import names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of method, data, changes and file."""
    parser.add_argument(
        "method", metavar="METHOD", type=named("method"), help=", ".join(names("method"))
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        nargs="+",
        help="what will be condensed: some choices depend on it (default: images like CIFAR-10's)",
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--ipc", metavar="N", type=at_least(1), default=10, help="images per class (default 10)"
    )
    add_recipe_changes(recipe, keys="change one key, such as update.lr=0.01; repeatable")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="file to write, .json (default: print it)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace that file")
    add_data(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the recipe."""
    from condensery import api
    from condensery.checkpoint import write_atomically
    from condensery.condensing.recipe import recipe_text
    from condensery.data.known import KNOWN
    from condensery.files import check_new_file

    if arguments.out is not None:
        check_new_file(arguments.out, overwrite=arguments.overwrite)
    if arguments.data is None:
        data = KNOWN["cifar10"].blank(side=32)
        print(
            "condensery: notice: written for images like CIFAR-10's, 32 x 32 in colour and 10 "
            "classes; --data DATA writes it for yours.",
            file=sys.stderr,
        )
    else:
        data = data_source(arguments).load().train
    text = recipe_text(
        api.chosen(
            data,
            **values(arguments, "method", "ipc", "preset", "network"),
            parts={},
            settings=dict(arguments.set),
        )
    )
    if arguments.out is None:
        print(text, end="")
        return 0
    write_atomically(arguments.out, text.encode())
    print(arguments.out)
    return 0
