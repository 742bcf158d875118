"""``condensery import``: import a set that another code released, to evaluate and cut it here."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import add_data, add_file_out, data_source, values
from condensery.cli.parser import at_least, one_of
from condensery.files import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, its format, the data, and everything that files leave open."""
    from condensery.condensed.importing import FORMATS
    from condensery.condensed.manifest import IMAGE_DTYPES

    dtypes = [str(dtype).removeprefix("torch.") for dtype in IMAGE_DTYPES]
    parser.add_argument("file", metavar="FILE", type=Path, help="a released file, or a folder")
    parser.add_argument(
        "--format",
        type=one_of(tuple(FORMATS)),
        required=True,
        help=f"whose it is: {', '.join(FORMATS)}",
    )
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", required=True, help="the data it was made of"
    )
    add_data(
        parser,
        classes="names of the file's labels, in the order of its numbers, where it has no names; "
        "of the data, these classes are read",
    )
    add_file_out(parser)
    parser.add_argument(
        "--ipc", metavar="N", type=at_least(1), help="keep the first N images of every class"
    )
    parser.add_argument(
        "--dtype", type=one_of(dtypes), default="uint8", help=f"{', '.join(dtypes)}"
    )
    layout = parser.add_argument_group("what the file leaves open")
    layout.add_argument(
        "--experiment", metavar="N", type=at_least(0), help="dc, dsa, dm: which one (default 0)"
    )
    layout.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help="mtt, datm, pad, kip: the labels, if not named like FILE",
    )
    layout.add_argument(
        "--factor",
        metavar="F",
        type=at_least(1),
        help="idc, dream, mdc, dance, ncfm, folder: crops per side",
    )
    layout.add_argument(
        "--order",
        type=one_of(("image", "crop")),
        help="with a factor: sizes count stored images, or crops (mdc: crop; others: image)",
    )
    layout.add_argument(
        "--mean", metavar="M", nargs="+", type=float, help="undo a normalisation by this mean"
    )
    layout.add_argument(
        "--std", metavar="S", nargs="+", type=float, help="and this deviation, one a channel"
    )
    layout.add_argument(
        "--zca",
        action=argparse.BooleanOptionalAction,
        help="mtt, datm, pad, kip: whether the images are ZCA-whitened",
    )
    layout.add_argument(
        "--learned-lr", metavar="LR", type=float, help="mtt, datm, pad: the learned one"
    )


def run(arguments: argparse.Namespace) -> int:
    """Import the set, write it, and print a summary."""
    check_new_file(arguments.out, overwrite=arguments.overwrite)

    from condensery.condensed.importing import import_set
    from condensery.condensed.importing.summary import import_summary

    data = data_source(arguments).load()
    condensed = import_set(
        arguments.file,
        data=data,
        **values(arguments, "format", "experiment", "labels", "factor", "order", "mean", "std"),
        **values(arguments, "zca", "learned_lr", "classes", "ipc", "dtype"),
    )
    condensed.save(arguments.out)
    held = f"{condensed.sizes} images per class, {len(condensed)} rows"
    print(f"{arguments.out}: {held}, {arguments.out.stat().st_size:,} bytes")
    print(import_summary(condensed, data))
    return 0
