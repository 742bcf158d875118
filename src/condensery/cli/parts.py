"""``condensery parts``: list the parts of recipes, and the keys of each."""

from __future__ import annotations

import argparse

from condensery.cli.parser import one_of
from condensery.registry import SLOTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the slots."""
    parser.add_argument(
        "slot",
        metavar="SLOT",
        nargs="?",
        type=one_of(tuple(SLOTS)),
        help=f"{', '.join(SLOTS)} (default: all)",
    )
    parser.add_argument("--markdown", action="store_true", help="as docs/parts.md shows them")


def run(arguments: argparse.Namespace) -> int:
    """Print the tables."""
    from condensery.part_tables import markdown, plain

    slots = tuple(SLOTS) if arguments.slot is None else (arguments.slot,)
    print((markdown if arguments.markdown else plain)(slots), end="")
    return 0
