"""``condensery report``: draw a run's page anew, or several runs side by side in one."""

from __future__ import annotations

import argparse
from pathlib import Path

from condensery.errors import ConfigError
from condensery.runs.files import check_new_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, what differences are to, where the page goes."""
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


def run(arguments: argparse.Namespace) -> int:
    """Read everything, then write the page, whole or not at all."""
    if arguments.out is not None:
        check_new_file(arguments.out, overwrite=arguments.overwrite)
    from condensery.runs.report import is_comparison

    if len(arguments.runs) == 1 and not is_comparison(arguments.runs[0]):
        if arguments.against is not None:
            raise ConfigError(
                f"--against {arguments.against}: one run stands against nothing. Name two or more."
            )
        return _one(arguments.runs[0], arguments.out, overwrite=arguments.overwrite)
    return _several(arguments.runs, arguments.against, arguments.out)


def _one(path: Path, out: Path | None, *, overwrite: bool) -> int:
    """A run's own page, or that of a condensed file that lies alone."""
    from condensery.report import write_report
    from condensery.runs.folder import RunFolder
    from condensery.runs.report import check_exists, draw_report, run_folder

    check_exists(path)
    folder = RunFolder(path) if path.is_dir() else run_folder(path)
    if folder is not None:
        written = draw_report(folder, out)
    else:
        written = write_report(out or _beside(path, overwrite=overwrite), condensed=path)
    print(f"Report: {written}")
    return 0


def _several(paths: list[Path], against: str | None, out: Path | None) -> int:
    from condensery.cli.progress import listener
    from condensery.report.several_runs import check_data, set_against
    from condensery.report.several_runs_page import markdown, render
    from condensery.report.templates import write_whole
    from condensery.runs.listener import Reporter
    from condensery.runs.report import collect

    if out is None and len(paths) > 1:
        raise ConfigError("--out is missing: several runs make a page of their own; name its FILE.")
    reporter = Reporter(listener())
    entries = collect(paths)
    check_data(entries)
    found = set_against(entries, against=against)
    names = [str(each.data.get("name")) for each in entries if each.run]
    for each in found:
        if each.missing:
            how = f"{each.table.network}, {each.training}"
            reporter.notice(
                f"Not tested with {how}, so left out of that table: {', '.join(each.missing)}."
            )
    text = render(found, entries, data=names[0])
    print(markdown(found, data=names[0]))
    written = write_whole(out or paths[0] / "report.html", text)
    print(f"\nReport: {written}")
    return 0


def _beside(path: Path, *, overwrite: bool) -> Path:
    """The page of a condensed file that lies alone: refused where another file is."""
    out = path.with_suffix(".html")
    check_new_file(out, overwrite=overwrite)
    return out
