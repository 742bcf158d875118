"""Reports of run folders, comparisons and condensed files, which use only their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from condensery.checkpoint import write_atomically
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.hub import is_on_hub, located
from condensery.errors import ArtifactError, ConfigError
from condensery.files import check_new_file
from condensery.formatting import byte_count
from condensery.report import write_report
from condensery.report.accuracy import AccuracyPoint, compare, recorded
from condensery.report.facts import made
from condensery.report.nearest import Nearest
from condensery.report.several_runs import ShownSet, baselines, check_data, set_against
from condensery.report.several_runs_page import markdown, render
from condensery.report.tiles import MOST_CLASSES
from condensery.runs.comparison.content import read_content
from condensery.runs.comparison.folder import ComparisonFolder
from condensery.runs.folder import RunFolder
from condensery.runs.lines import read_lines
from condensery.runs.listener import Listener, Reporter

_OBSERVATION = ("set", "size", "network", "seed", "protocol", "accuracy")
"""Keys of a line of ``observations.jsonl`` that a report uses."""

_FACTS = ("Method", "Seed", "Stored as", "Time to condense", "Peak memory", "Machine", "Versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """A page that was written.

    Attributes:
        path: The file.
        markdown: Its tables as text; empty for one run.
    """

    path: Path
    markdown: str = ""


def write_page(
    paths: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    against: str | None = None,
    overwrite: bool = False,
    classes_shown: int | None = None,
    progress: Listener | None = None,
) -> WrittenPage:
    """Write the page of a run again, or one page with a table of several runs.

    Args:
        paths: Folders of runs, folders of comparisons, condensed files; at least one.
        out: File to write; ``None`` is the page of the run, and is not possible for several.
        against: The line for differences, by its name in the table; ``None`` is the first line.
        overwrite: Whether a file of another kind may be replaced.
        classes_shown: Classes whose images the page of one run shows, at least 2, evenly spaced;
            ``None`` is 100.
        progress: A listener for notices.

    Raises:
        ArtifactError, ConfigError: If a path is of another kind, or is not finished.
    """
    target = None if out is None else Path(out)
    if target is None and is_on_hub(paths[0]):
        raise ConfigError(f"--out (out=) is missing: {paths[0]} lies on the Hub. Name a FILE.")
    if target is not None:
        check_new_file(target, overwrite=overwrite)
    given = [located(path) for path in paths]
    several = len(given) > 1 or ComparisonFolder(given[0]).facts_file.is_file()
    if classes_shown is not None and (several or classes_shown < 2):
        why = "a page of several runs shows no images" if several else "at least 2 are shown"
        raise ConfigError(f"--classes-shown {classes_shown}: {why}.")
    most = MOST_CLASSES if classes_shown is None else classes_shown
    if several:
        return _several(given, target, against, Reporter(progress))
    if against is not None:
        raise ConfigError(f"--against {against}: one run stands against nothing. Name two or more.")
    (path,) = given
    _check_exists(given)
    folder = RunFolder(path) if path.is_dir() else _run_folder(path)
    if folder is not None:
        return WrittenPage(path=draw_report(folder, target, classes=most))
    if target is None:
        target = path.with_suffix(".html")
        check_new_file(target, overwrite=overwrite)
    return WrittenPage(path=write_report(target, condensed=path, classes=most))


def _several(
    paths: Sequence[Path], out: Path | None, against: str | None, reporter: Reporter
) -> WrittenPage:
    if out is None and len(paths) > 1:
        raise ConfigError(
            "--out (out=) is missing: several runs make a page of their own; name its FILE."
        )
    entries = _collect(paths)
    check_data(entries)
    tables = set_against(entries, against=against)
    names = [str(each.data.get("name")) for each in entries if each.run]
    for each in tables:
        if each.missing:
            how = f"{each.table.network}, {each.training}"
            left_out = ", ".join(each.missing)
            reporter.notice(f"Not tested with {how}, so left out of that table: {left_out}.")
    target = out or paths[0] / "report.html"
    write_atomically(target, render(tables, entries, data=names[0]).encode())
    return WrittenPage(path=target, markdown=markdown(tables, data=names[0]))


def draw_report(folder: RunFolder, out: Path | None = None, *, classes: int = MOST_CLASSES) -> Path:
    """Write the report of everything in a folder; ``classes`` as in ``write_report``.

    Raises:
        ArtifactError: If it is not a run folder, has no condensed file yet, or a file is damaged.
    """
    about = _about(folder)
    return write_report(
        out or folder.report,
        condensed=folder.condensed,
        observations=read_observation_lines(folder.observations),
        metrics=read_lines(folder.metrics),
        proxy=read_lines(folder.proxy),
        run=about,
        nearest=_nearest(folder.nearest),
        classes=classes,
    )


def read_observation_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of ``observations.jsonl``; none if there is no file.

    Raises:
        ArtifactError: If a line is damaged; names the line.
    """
    found = read_lines(path)
    for number, line in enumerate(found, start=1):
        missing = [key for key in _OBSERVATION if key not in line]
        if missing:
            raise ArtifactError(
                f"{path}, line {number} is no observation: it has no {missing[0]!r}. Remove the "
                "line to go on without it."
            )
    return found


def _about(folder: RunFolder) -> dict[str, Any]:
    """The known facts about how the file was made, for the report.

    Raises:
        ArtifactError: If it is not a run, or was stopped before it wrote its condensed file.
    """
    facts, outcome = folder.facts(), dict[str, Any]()
    if not folder.condensed.exists():
        raise ArtifactError(
            f"{folder.path}: has no {folder.condensed.name} yet, so there is nothing to report on. "
            f"`condensery resume {folder.path}` goes on with the run."
        )
    if folder.outcome.exists():
        outcome = json.loads(folder.outcome.read_text(encoding="utf-8"))
    versions = dict(facts.get("versions") or {})
    machine, threads = versions.pop("machine", None), facts.get("threads")
    words = [machine, facts.get("device"), facts.get("deterministic") and "deterministic"]
    if threads is not None:
        words.append(f"{threads} thread" + ("" if threads == 1 else "s"))
    return {
        **{key: facts.get(key) for key in ("recipe", "data", "seed")},
        "versions": versions,
        "machine": ", ".join(str(word) for word in words if word),
        **{key: outcome.get(key) for key in ("seconds", "expert_cpu_seconds", "peak_memory_mb")},
        "ended": _ended(outcome),
    }


def _nearest(path: Path) -> Nearest | None:
    if not path.exists():
        return None
    try:
        return Nearest.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path}: is damaged ({error!r}). Remove it; `condensery resume` makes it again."
        ) from error


def _ended(outcome: Mapping[str, Any]) -> str | None:
    """How condensing ended, in words."""
    if not outcome:
        return None
    done, whole = outcome.get("iterations"), outcome.get("of")
    if outcome.get("reason") == "complete":
        return f"after all {whole} iterations"
    beyond = outcome.get("steps_beyond") or 0
    more = f" and {beyond} image updates" if beyond else ""
    return f"by its {outcome.get('reason')}, after {done} of {whole} iterations{more}"


def _check_exists(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise ArtifactError(
                f"{path}: there is no such run or file. Give the --out of a `condensery condense` "
                "or `compare`, or a condensed file."
            )


def _run_folder(path: Path) -> RunFolder | None:
    """The run of a path: its folder, or the condensed file in it."""
    folder = RunFolder(path if path.is_dir() else path.parent)
    named = path.is_dir() or path.name == folder.condensed.name
    return folder if named and folder.facts_file.is_file() else None


def _collect(paths: Sequence[Path]) -> list[ShownSet]:
    """The lines of all paths in their order; baselines come last.

    Raises:
        ArtifactError: If a path is not a run, comparison or condensed file, or is not finished.
    """
    _check_exists(paths)
    found: list[ShownSet] = []
    for path, name in zip(paths, _names(paths), strict=True):
        if ComparisonFolder(path).facts_file.is_file():
            for each in _comparison(path):
                named = len(paths) > 1 and each.run
                found.append(replace(each, name=f"{name}: {each.name}") if named else each)
        else:
            found += _run(path, name)
    return sorted(found, key=lambda each: not each.run)


def _names(paths: Sequence[Path]) -> list[str]:
    """The shortest end of each path that differs from the others."""
    parts: list[tuple[str, ...]] = []
    for path in paths:
        whole = path.absolute()
        if _run_folder(path) is not None and not path.is_dir():
            whole = whole.parent
        elif not path.is_dir():
            whole = whole.with_suffix("")
        parts.append(whole.parts)
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    given = ", ".join(map(str, paths))
    raise ArtifactError(f"The same run is named twice in {given}. Name every run once.")


def _run(path: Path, name: str) -> list[ShownSet]:
    """The lines of a run folder or a condensed file, and of its baselines."""
    folder = _run_folder(path)
    observations: list[dict[str, Any]] = []
    known: Mapping[str, Any] = {}
    if folder is not None:
        known = _about(folder)
        observations = read_observation_lines(folder.observations)
    elif path.is_dir():
        raise ArtifactError(
            f"{path}: is a folder without recipe.json or comparison.json, so it is neither a run "
            "nor a comparison. Give the --out of a `condensery condense` or `compare`, or a "
            "condensed file."
        )
    file = path if folder is None else folder.condensed
    condensed = CondensedSet.load(file)
    comparisons = compare(observations) or recorded(condensed.observations)
    own = ShownSet(
        name=name,
        run=True,
        where=str(path),
        method=condensed.method,
        ipc=condensed.sizes,
        points={each.key: each.ours for each in comparisons if each.ours},
        bytes=tuple(condensed.manifest["bytes"]),
        data=known.get("data") or condensed.manifest["data"],
        facts=_facts(file, condensed, known),
    )
    return [own, *baselines(own, comparisons)]


def _facts(
    file: Path, condensed: CondensedSet, known: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    words = dict(made(condensed, known))
    return (
        *((word, words[word]) for word in _FACTS if words[word] != "not recorded"),
        ("File", byte_count(file.stat().st_size)),
    )


def _comparison(path: Path) -> list[ShownSet]:
    """One line for each row, from the tables of the comparison."""
    folder = ComparisonFolder(path)
    fixed = folder.read().get("fixed") or {}
    if "ipc" not in fixed:
        raise ArtifactError(f"{folder.facts_file}: is no comparison's. Give another folder.")
    observations = read_observation_lines(folder.observations)
    if not folder.content.is_file() or not observations:
        raise ArtifactError(
            f"{path}: nothing has been evaluated yet, so there is no accuracy to compare. Go on "
            "with the `condensery compare` that began it."
        )
    keys = {each.key[0]: each.key for each in compare(observations)}
    seconds = _seconds(observations)
    data = {name: fixed.get(f"data {name}") for name in ("name", "fingerprint", "test_fingerprint")}
    content = read_content(folder.content)
    found: list[ShownSet] = []
    for name in content.made:
        rows = [(table, row) for table in content.tables for row in table.rows]
        own = [(table, row) for table, row in rows if row.name == name and row.cells]
        if not own:
            continue
        baseline = name in ("a", "b", "c") and fixed.get("base") != "idc"
        file = _set_of(folder, name)
        condensed = None if file is None else CondensedSet.load(file)
        found.append(
            ShownSet(
                name=name,
                run=name != "random",
                where=f"{path} ({name})" if name != "random" else f"random, baseline of {path}",
                method="" if baseline else name,
                ipc=int(fixed["ipc"]),
                points={
                    keys[table.network]: tuple(
                        AccuracyPoint(
                            size=size,
                            mean=cell.mean,
                            std=cell.std,
                            networks=cell.count,
                            seconds=seconds.get(name, {}).get(size),
                        )
                        for size, cell in row.cells.items()
                    )
                    for table, row in own
                },
                averages={
                    (keys[table.network], tuple(row.cells)): row.average
                    for table, row in own
                    if row.average is not None
                },
                over=own[0][0].over,
                bytes=() if condensed is None else tuple(condensed.manifest["bytes"]),
                data=data,
                facts=(("Method", name),)
                if file is None or condensed is None
                else _facts(file, condensed, {}),
            )
        )
    return found


def _seconds(observations: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    """``{row: {size: median seconds of a network}}``."""
    took: dict[str, dict[int, list[float]]] = {}
    for each in observations:
        sizes = took.setdefault(str(each["set"]), {})
        sizes.setdefault(int(each["size"]), []).append(float(each["seconds"]))
    return {
        name: {size: median(each) for size, each in sizes.items()} for name, sizes in took.items()
    }


def _set_of(folder: ComparisonFolder, name: str) -> Path | None:
    """The file of the first set of a row; ``None`` if the row has another set for every size."""
    pattern = folder.set_file(name.replace(":", "-"), "*")
    found = sorted(pattern.parent.glob(pattern.name))
    return found[0] if found else None
