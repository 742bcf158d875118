"""``condensery report``: write the page of a run again, or one page of several runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.cli.parser import at_least
from condensery.files import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the runs, the line for differences, and the output."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=Path,
        help="a run (--out of condense), a comparison (--out of compare), or a condensed file",
    )
    parser.add_argument(
        "--against",
        metavar="NAME",
        help="the line that differences are to, as the table names it (default: the first)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="page to write (default for one run: its report.html; for several it must be given)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    parser.add_argument(
        "--classes-shown",
        metavar="N",
        type=at_least(2),
        help="classes whose images the page of one run shows (default 100), evenly spaced",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read all files, and then write the page atomically."""
    if arguments.out is not None:
        check_new_file(arguments.out, overwrite=arguments.overwrite)
    from condensery.cli.progress import listener
    from condensery.runs.report import write_page

    page = write_page(
        arguments.runs,
        out=arguments.out,
        against=arguments.against,
        overwrite=arguments.overwrite,
        classes_shown=arguments.classes_shown,
        progress=listener(),
    )
    if page.markdown:
        print(f"{page.markdown}\n")
    print(f"Report: {page.path}")
    return 0
