"""``condensery extend``: add new classes to a condensed file; the old images keep their bits."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.options import add_data, add_machine, data_source, values
from condensery.cli.parser import at_least, duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the new classes and the run."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--data", metavar="DATA", nargs="+", required=True, help="images of the new classes"
    )
    parser.add_argument(
        "--out",
        metavar="RUN",
        type=Path,
        required=True,
        help="folder of the run",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
    parser.add_argument(
        "--recipe", metavar="FILE", type=Path, help="another recipe than that of the file"
    )
    parser.add_argument("--seed", type=at_least(0), help="of every draw (default that of the file)")
    parser.add_argument(
        "--time-budget",
        metavar="TIME",
        type=duration,
        help="stop condensing after 90s, 10m, 1h and use what was reached",
    )
    add_data(parser)
    add_machine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Condense the new classes, and print where the set of all classes is."""
    from condensery.cli.progress import listener
    from condensery.runs import extend

    whole = extend(
        arguments.file,
        data_source(arguments),
        arguments.out,
        **values(arguments, "recipe", "seed", "device", "threads", "time_budget", "overwrite"),
        progress=listener(),
    )
    file = arguments.out / "extended.safetensors"
    size = file.stat().st_size
    print(
        f"{file}: {whole.classes} classes, {whole.sizes} images per class, {len(whole)} rows, "
        f"{size:,} bytes"
    )
    return 0
