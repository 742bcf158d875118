"""``condensery pull``: fetch a condensed file from the Hugging Face Hub."""

from __future__ import annotations

import argparse

from condensery.cli.options import add_file_out
from condensery.cli.parser import at_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the data set and the output."""
    parser.add_argument(
        "name",
        metavar="USER/NAME",
        help="the data set; with a revision: USER/NAME@REVISION; with a file of another name: "
        "hf://USER/NAME/FILE",
    )
    parser.add_argument(
        "--ipc",
        metavar="N",
        type=at_least(1),
        help="fetch only the size of N images per class: the bytes that it needs",
    )
    add_file_out(parser)


def run(arguments: argparse.Namespace) -> int:
    """Download the file, check it, and write it."""
    from condensery.sharing.publish import pull

    condensed = pull(
        arguments.name, arguments.out, ipc=arguments.ipc, overwrite=arguments.overwrite
    )
    size = arguments.out.stat().st_size
    noun = "image" if condensed.sizes == 1 else "images"
    print(f"{arguments.out}: {condensed.sizes} {noun} per class, {size:,} bytes")
    return 0
