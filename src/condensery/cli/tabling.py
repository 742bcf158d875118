"""A paper's table in its folder: a comparison for every data set, and the tables of all of them.

A data set whose comparison is there stays in the table, also if it is not asked for again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from condensery.cli.comparing import work as compare
from condensery.cli.comparing import write_tables
from condensery.cli.comparison import Plan
from condensery.cli.comparison_folder import ComparisonFolder, prepared
from condensery.cli.estimating import Estimate, estimate
from condensery.cli.progress import listener
from condensery.comparison import (
    Content,
    PaperTable,
    Reproduction,
    content_from_json,
    printed_in,
    reproduction_csv,
    reproduction_markdown,
    reproduction_page,
)
from condensery.data import Data, find, load_data
from condensery.data.known import KNOWN, known_by_name
from condensery.errors import ConfigError, DataError
from condensery.formatting import duration
from condensery.runs.data_source import DataSource
from condensery.runs.evaluation import EvaluationPlan
from condensery.runs.files import locked
from condensery.runs.listener import Reporter

__all__ = ["Job", "found", "job", "told", "work"]


_BUSY = 0.8
"""Of the processor's time; with less of it an estimate says that others were at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The comparison of one data set.

    Attributes:
        name: Of the data set, in the table.
        folder: Of the comparison.
        plan: Of the comparison, with what was begun.
        data: Loaded.
    """

    name: str
    folder: ComparisonFolder
    plan: Plan
    data: Data

    def outlook(self) -> str:
        """What will run, and what is there already."""
        own = self.folder.outlook(self.plan, self.data)
        return f"{self.name}: {len(self.data.train):,} training images\n{own}"

    def estimate(self) -> Estimate:
        """What is left will take."""
        return estimate(self.folder, self.plan, self.data)


def found(
    table: PaperTable,
    given: Mapping[str, tuple[str, ...]],
    *,
    data_dir: Path | None,
    download: bool,
    only: Sequence[str],
) -> tuple[dict[str, Callable[[], Data]], dict[str, str]]:
    """Loaders of the data sets that are here, and how those that are not can be given.

    Raises:
        ConfigError: If none is here, or ``data_dir`` is no folder.
    """
    if download and data_dir is None:
        raise ConfigError("--download: give --data-dir DIR, the folder to fetch data sets into.")
    if data_dir is not None and not data_dir.expanduser().is_dir():
        raise ConfigError(
            f"--data-dir {data_dir}: is no folder. Give the one that data sets lie in."
        )
    here: dict[str, Callable[[], Data]] = {}
    missing: dict[str, str] = {}
    for name in (each for each in only if each in table.data and each not in given):
        if data_dir is None:
            missing[name] = f"Give --data {name}=PATH, or --data-dir DIR with data sets."
            continue
        fetched = download and KNOWN[name].hub is not None
        try:
            find(name, data_dir)
        except DataError as error:
            if not fetched:
                missing[name] = f"{error} Or give --data {name}=PATH."
                continue
        here[name] = partial(load_data, name, data_dir=data_dir, download=fetched)
    for name, paths in given.items():
        known = name in table.data
        size = table.side if known and table.side > 32 else None
        source = DataSource(data=paths, name=name if known else None, size=size)
        if name in only:
            here[name] = source.load
    if not here:
        said = " ".join(f"{name}: {how}" for name, how in missing.items())
        raise ConfigError(f"{table.name}: none of its data sets is here. {said}")
    order = [*(name for name in table.data if name in here), *here]
    return {name: here[name] for name in order}, missing


def job(
    path: Path,
    table: PaperTable,
    load: Callable[[], Data],
    arguments: argparse.Namespace,
    evaluation: EvaluationPlan,
) -> Job:
    """A comparison that can be worked on; everything about it is checked, nothing is written.

    Raises:
        DataError: If the data cannot be read, or is not what the table is about.
        ConfigError, ArtifactError: As ``condensery compare``.
    """

    def own() -> Data:
        data = load()
        _check_shape(path.name, data, table)
        return data

    folder, plan, data = prepared(
        path,
        own,
        arguments,
        methods=arguments.methods or table.rows,
        ipc=table.ipc,
        base=table.base,
        network=arguments.network or table.network,
        sizes=evaluation.sizes or table.sizes,
        evaluation=evaluation,
    )
    return Job(name=path.name, folder=folder, plan=plan, data=data)


def work(
    out: Path,
    table: PaperTable,
    jobs: Sequence[Job],
    *,
    budget: str,
    missing: Mapping[str, str],
) -> str:
    """Do what is missing of every comparison, and write the table after each.

    Returns:
        The table, and where it is.

    Raises:
        KeyboardInterrupt, NonFiniteLoss: As ``condensery compare``; the table has what is there.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = ""
    names = [*table.data, *(each.name for each in jobs if each.name not in table.data)]
    with locked(out, Reporter(listener()).notice):
        _parts(out, table, names)  # what cannot be read is said before any work
        for each in jobs:
            try:
                compare(each.folder, each.plan, each.data)
            finally:
                written = _write(out, table, names, budget=budget, missing=missing)
    return written


def told(found: Estimate) -> str:
    """An estimate in words."""
    total = found.condensing + found.testing
    if not total:
        return "estimate: nothing is left to do"
    parts = f"condensing {duration(found.condensing)}, testing {duration(found.testing)}"
    lines = [f"estimate: about {duration(total)} as this machine is now ({parts})"]
    if found.share < _BUSY:
        lines.append(
            f"busy: other processes took time, this one had {found.share:.0%} of its threads'; "
            f"alone it may take {duration(found.share * total)}"
        )
    return "\n  ".join((*lines, *found.lines))


def _write(
    out: Path,
    table: PaperTable,
    names: Sequence[str],
    *,
    budget: str,
    missing: Mapping[str, str],
) -> str:
    parts = _parts(out, table, names)
    left = {name: how for name, how in missing.items() if name not in parts}
    shown = Reproduction(paper=table, budget=budget, parts=parts, missing=left)
    text = reproduction_markdown(shown)
    texts = {"md": text, "csv": reproduction_csv(shown), "html": reproduction_page(shown)}
    return f"{text}\nTables: {write_tables(out, texts)}"


def _parts(out: Path, table: PaperTable, names: Sequence[str]) -> dict[str, Content]:
    """All comparisons that are in the folder; those of other names come last."""
    others = (path.parent.name for path in sorted(out.glob("*/content.json")))
    read = {name: _content(out / name, table) for name in dict.fromkeys((*names, *others))}
    return {name: content for name, content in read.items() if content is not None}


def _content(path: Path, table: PaperTable) -> Content | None:
    """What the comparison of a data set says, with what the paper prints of it."""
    kept = ComparisonFolder(path).content
    if not kept.exists():
        return None
    values = json.loads(kept.read_text(encoding="utf-8"))
    printed = printed_in(table, path.name, list(values["made"]))
    return content_from_json(values, published=printed, where=str(kept))


def _check_shape(name: str, data: Data, table: PaperTable) -> None:
    """Refuse figures of a paper beside other data."""
    if name not in table.data:
        return
    train = data.train
    side = (table.side, table.side)
    known = known_by_name(name, classes=train.classes, channels=train.channels)
    if known is None or train.side != side:
        height, width = train.side
        raise DataError(
            f"--data {name}: these are {train.classes} classes of images of {height} x {width} "
            f"pixels with {train.channels} channels, which is not {name}, so nothing published of "
            "it can stand beside. Give it a name of its own, such as --data mine=PATH."
        )
