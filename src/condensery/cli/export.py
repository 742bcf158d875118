"""``condensery export``: write images for other tools, as a folder, .npz or Parquet."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.parser import at_least, one_of

FORMS = ("folder", "npz", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the form and the output."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--ipc", metavar="N", type=at_least(1), help="images per class (default: all)"
    )
    parser.add_argument(
        "--to",
        type=one_of(FORMS),
        default="folder",
        help="folder: class/*.png (default); npz: images, labels, class_names; "
        "parquet: Hugging Face image layout",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--stored",
        action="store_true",
        help="the images as stored, not the larger number that training decodes from them",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export")


def run(arguments: argparse.Namespace) -> int:
    """Read, decode, write into a temporary folder, and move it into place."""
    from condensery.condensed.exporting import check_out, collect, write

    check_out(arguments.out, overwrite=arguments.overwrite)
    pictures = collect(arguments.file, ipc=arguments.ipc, stored=arguments.stored)
    write(pictures, form=arguments.to, out=arguments.out)
    print(f"{arguments.out}: {len(pictures.labels)} images of {len(pictures.class_names)} classes")
    return 0
