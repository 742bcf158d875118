"""``condensery export``: write images for other programs: folders, .npz, Parquet, WebDataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import add_data, data_source
from condensery.cli.parser import at_least, one_of

FORMS = ("folder", "npz", "parquet", "webdataset")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the form, the real test images and the output."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--ipc", metavar="N", type=at_least(1), help="images per class (default: all)"
    )
    parser.add_argument(
        "--to",
        type=one_of(FORMS),
        default="folder",
        help="folder: class/*.png (default); npz: images, labels, class_names; "
        "parquet: Hugging Face image layout; webdataset: tar files",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--stored",
        action="store_true",
        help="the images as stored, not the larger number that training decodes from them",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    parser.add_argument(
        "--data",
        metavar="DATA",
        nargs="+",
        help="the data it was condensed from: its real test images are exported, too "
        "(folder: train/class/*.png and test/class/*.png)",
    )
    add_data(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, decode, write into a temporary folder, and move it into place."""
    from condensery.sharing.export import check_export, export

    check_export(arguments.out, form=arguments.to, overwrite=arguments.overwrite)
    data = data_source(arguments).load() if arguments.data else None
    made = export(
        arguments.file,
        arguments.out,
        form=arguments.to,
        ipc=arguments.ipc,
        data=data,
        classes=arguments.classes,
        stored=arguments.stored,
        overwrite=arguments.overwrite,
    )
    tests = f", and {made.test_images} real test images" if data is not None else ""
    print(f"{made.folder}: {made.images} images of {made.classes} classes{tests}")
    return 0
