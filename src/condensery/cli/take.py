"""``condensery take``: cut a smaller set out of a condensed file."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.files import check_new_file
from condensery.cli.parser import amount, at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to cut, how small, and where to."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--ipc", metavar="N", type=at_least(1), help="images per class")
    how.add_argument(
        "--bytes", metavar="B", type=amount, help="the largest size whose file fits, such as 50k"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> int:
    """Cut and save."""
    check_new_file(arguments.out, overwrite=arguments.overwrite)
    from condensery.artifact import CondensedSet

    condensed = CondensedSet.load(arguments.file)
    if arguments.ipc is None:
        small = condensed.fit_bytes(arguments.bytes)
    else:
        small = condensed.take(arguments.ipc)
    small.save(arguments.out)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {small.sizes} images per class, {len(small)} rows, {size:,} bytes")
    return 0
