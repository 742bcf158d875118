"""``table``: the table of a paper on the given data, with one comparison for each data set.

A data set whose comparison is in the folder stays in the table, also if it is not given again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from condensery.data import Data, find, load_data
from condensery.data.known import KNOWN, known_by_name
from condensery.data.load import words_of
from condensery.errors import ConfigError, DataError, nearest
from condensery.parallel import Pool, pool_of
from condensery.runs.comparison.api import (
    Comparison,
    PreparedComparison,
    TablesFolder,
    check_evaluation,
    prepare,
    settings_as_text,
    usual_evaluation,
)
from condensery.runs.comparison.content import ComparisonContent, read_content
from condensery.runs.comparison.driver import write_tables
from condensery.runs.comparison.estimate import Estimate
from condensery.runs.comparison.folder import ComparisonFolder
from condensery.runs.comparison.sets import ComparisonOptions
from condensery.runs.data_source import DataSource, load_source
from condensery.runs.evaluation import GivenEvaluation, evaluation_of
from condensery.runs.listener import Listener, Reporter
from condensery.runs.tables.folder import TableFolder
from condensery.runs.tables.papers import PaperTable, paper_table
from condensery.runs.tables.reproduction import Reproduction, printed_in
from condensery.runs.tables.text import csv_text, markdown, page


@dataclass(frozen=True, kw_only=True)
class ReproducedTable(TablesFolder):
    """A reproduced table in its folder.

    Attributes:
        path: The folder.
        paper: The table of the paper.
        comparisons: The comparisons by data set; each has an ``outlook``.
        missing: For each missing data set, how it can be given.
        estimates: Estimated remaining time by data set; only after a dry run.
    """

    path: Path
    paper: PaperTable
    comparisons: Mapping[str, Comparison]
    missing: Mapping[str, str]
    estimates: Mapping[str, Estimate]

    def outlook(self) -> str:
        """The remaining work, and after a dry run its estimated time."""
        lines: list[str] = []
        for name, each in self.comparisons.items():
            lines.append(each.outlook)
            if name in self.estimates:
                lines.append(str(self.estimates[name]))
        return "\n".join(lines)

    def __repr__(self) -> str:
        lacks = f"; not here: {', '.join(self.missing)}" if self.missing else ""
        data = ", ".join(self.comparisons)
        return f"<ReproducedTable {self.path}: {self.paper.name} on {data}{lacks}>"


def table(
    name: str,
    *,
    data: Mapping[str, object] | None = None,
    data_dir: str | Path | None = None,
    download: bool = False,
    only: Sequence[str] | None = None,
    out: str | Path | None = None,
    budget: str = "quick",
    methods: Sequence[str] | None = None,
    network: str | None = None,
    settings: Mapping[str, object] | None = None,
    condensations: int = 1,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    on: str | Pool | None = None,
    evaluation: GivenEvaluation = None,
    dry_run: bool = False,
    progress: Listener | None = None,
) -> ReproducedTable:
    """Reproduce the table of a paper on the given data, with the figures that the paper prints.

    This is ``condensery table``. Work whose result is in the folder is not repeated.

    Args:
        name: A key of ``TABLES``, such as ``"mdc-1a"``.
        data: ``{data set: source}``, each as in ``run``; another name adds your data to the table.
        data_dir: Folder in which the data sets of the table are searched by name.
        download: Whether absent data sets are downloaded once from the Hugging Face hub.
        only: Data sets to work on; ``None`` is all of them.
        out: Folder of the table; ``None`` is ``NAME-BUDGET`` in the current folder.
        budget: Preset; ``"paper"`` is the published length.
        methods: Rows as in ``compare``, instead of those of the table.
        network: Matching network, instead of that of the table or the preset.
        settings: As in ``compare``.
        condensations: As in ``compare``.
        seed: As in ``compare``.
        device: As in ``compare``.
        threads: As in ``compare``.
        on: As in ``compare``.
        evaluation: As in ``compare``; a function gets the plan of the budget with the sizes and the
            network of the table.
        dry_run: Whether only ``outlook`` and ``estimates`` are made, by a short probe.
        progress: As in ``run``.

    Raises:
        ConfigError, DataError, ArtifactError: If something cannot work; before any work.
        NonFiniteLoss, KeyboardInterrupt: As in ``compare``; the table has the existing results.
    """
    paper, reporter = paper_table(name), Reporter(progress)
    pool = pool_of(on, device=device, threads=threads)
    usual = usual_evaluation(budget)
    usual = replace(
        usual,
        sizes=(1, 2, paper.ipc) if budget == "smoke" else paper.sizes,
        networks=usual.networks if paper.network is None else (paper.network,),
    )
    evaluated = evaluation_of(evaluation, usual)
    options = ComparisonOptions(
        methods=tuple(methods or paper.rows),
        ipc=paper.ipc,
        preset=budget,
        base=paper.base,
        network=network or paper.network,
        settings=settings_as_text(settings),
        sizes=evaluated.sizes or paper.sizes,
        condensations=condensations,
        seed=seed,
        device=device,
    )
    check_evaluation(evaluated, options)
    given, chosen = _names(paper, data or {}, only)
    here, missing = available(paper, given, data_dir=data_dir, download=download, only=chosen)
    folder = TableFolder(Path(out) if out is not None else Path(f"{name}-{budget}"))
    folder.check(name=name, budget=budget)
    prepared: dict[str, PreparedComparison] = {}
    for each, load in here.items():
        checked = partial(_checked, each, load, paper)
        prepared[each] = prepare(
            folder.comparison(each),
            checked,
            options,
            evaluation=evaluated,
            threads=threads,
            pool=pool,
        )
    for each, how in missing.items():
        reporter.notice(f"{each}: not here, left out. {how}")
    comparisons: dict[str, Comparison] = {}
    for each, ready in prepared.items():
        count = len(ready.data.train)
        text = f"{each}: {count:,} training images\n{ready.outlook()}"
        comparisons[each] = Comparison(folder.comparison(each), outlook=text)
    estimates: dict[str, Estimate] = {}
    if dry_run:
        estimates = {each: ready.estimate(reporter) for each, ready in prepared.items()}
    else:
        for each in comparisons.values():
            reporter.notice(each.outlook)
        _work(folder, paper, prepared, reporter, budget=budget, missing=missing)
    return ReproducedTable(
        path=folder.path,
        paper=paper,
        comparisons=comparisons,
        missing=missing,
        estimates=estimates,
    )


def available(
    paper: PaperTable,
    given: Mapping[str, object],
    *,
    data_dir: str | Path | None,
    download: bool,
    only: Sequence[str],
) -> tuple[dict[str, Callable[[], Data]], dict[str, str]]:
    """Loaders of the available data sets, and how missing ones can be given.

    Raises:
        ConfigError: If none is available, or ``data_dir`` is not a folder.
    """
    if download and data_dir is None:
        raise ConfigError(
            "--download: give --data-dir DIR (data_dir=), the folder to fetch data sets into."
        )
    if data_dir is not None and not Path(data_dir).expanduser().is_dir():
        raise ConfigError(
            f"--data-dir {data_dir}: is no folder. Give the one that data sets lie in."
        )
    here: dict[str, Callable[[], Data]] = {}
    missing: dict[str, str] = {}
    for name in (each for each in only if each in paper.data and each not in given):
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
    for name, source in given.items():
        if name in only:
            here[name] = partial(_load, name, source, paper)
    if not here:
        hints = " ".join(f"{name}: {how}" for name, how in missing.items())
        raise ConfigError(f"{paper.name}: none of its data sets is here. {hints}")
    order = [*(name for name in paper.data if name in here), *here]
    return {name: here[name] for name in order}, missing


def _load(name: str, source: object, paper: PaperTable) -> Data:
    """Load a data set; that of a paper gets its name and the size of its images."""
    known, words = name in paper.data, words_of(source)
    if words is None:
        return load_source(source)[1]
    size = paper.side if known and paper.side > 32 else None
    return DataSource(data=words, name=name if known else None, image_size=size).load()


def _work(
    folder: TableFolder,
    paper: PaperTable,
    prepared: Mapping[str, PreparedComparison],
    reporter: Reporter,
    *,
    budget: str,
    missing: Mapping[str, str],
) -> None:
    """Do the remaining work of every comparison, and write the table after each."""
    folder.path.mkdir(parents=True, exist_ok=True)
    names = [*paper.data, *(name for name in prepared if name not in paper.data)]
    with folder.locked(reporter.notice):
        folder.check(name=paper.name, budget=budget)  # again: another process may have begun
        _contents(folder, paper, names)  # what cannot be read is said before any work
        folder.begin(name=paper.name, budget=budget)
        for each in prepared.values():
            try:
                each.work(reporter)
            finally:
                _write(folder, paper, names, budget=budget, missing=missing)


def _write(
    folder: TableFolder,
    paper: PaperTable,
    names: Sequence[str],
    *,
    budget: str,
    missing: Mapping[str, str],
) -> None:
    contents = _contents(folder, paper, names)
    left = {name: how for name, how in missing.items() if name not in contents}
    shown = Reproduction(paper=paper, budget=budget, parts=contents, missing=left)
    texts = {"md": markdown(shown), "csv": csv_text(shown), "html": page(shown)}
    write_tables(folder.path, texts)


def _contents(
    folder: TableFolder, paper: PaperTable, names: Sequence[str]
) -> dict[str, ComparisonContent]:
    """All comparisons that are in the folder; those of other names come last."""
    others = (path.parent.name for path in sorted(folder.path.glob("*/content.json")))
    contents: dict[str, ComparisonContent] = {}
    for name in dict.fromkeys((*names, *others)):
        file = ComparisonFolder(folder.comparison(name)).content
        if file.exists():
            contents[name] = read_content(file, partial(printed_in, paper, name))
    return contents


def _checked(name: str, load: Callable[[], Data], paper: PaperTable) -> Data:
    """The data; refuses data with the name of another known data set."""
    data = load()
    if name not in paper.data:
        return data
    train = data.train
    known = known_by_name(name, classes=train.classes, channels=train.channels)
    if known is None or train.side != (paper.side, paper.side):
        height, width = train.side
        raise DataError(
            f"--data {name}: these are {train.classes} classes of images of {height} x {width} "
            f"pixels with {train.channels} channels, which is not {name}, so nothing published of "
            "it can stand beside. Give it a name of its own, such as --data mine=PATH."
        )
    return data


def _names(
    paper: PaperTable, data: Mapping[str, object], only: Sequence[str] | None
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Sources and data sets to work on, by their names in the table.

    Raises:
        ConfigError: If a name in ``only`` is unknown.
    """
    spelt = {_plain(name): name for name in paper.data}
    given = {spelt.get(_plain(name), name): source for name, source in data.items()}
    for name in given:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
            raise ConfigError(
                f"data set {name!r}: the name is also that of a folder, so it has letters, digits, "
                "'.', '-' and '_' only."
            )
    known = (*paper.data, *(name for name in given if name not in paper.data))
    chosen = tuple(spelt.get(_plain(word), word) for word in only or ())
    for word in chosen:
        if word not in known:
            raise ConfigError(
                f"--only {word}: {paper.name} has {', '.join(known)}.{nearest(word, known)}"
            )
    return given, chosen or known


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())
