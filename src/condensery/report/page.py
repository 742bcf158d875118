"""``report.html``: one file that says what a condensed set is, does, cost, and does not show.

The page stands alone: pictures are inside, nothing is fetched, and a policy in its head forbids
it. Every part can be missing and then says so. Knows nothing about run folders: it is given the
file and what was noted.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from condensery.report.accuracy import Comparison, Point, compare, recorded
from condensery.report.condensed_file import CondensedFile, read_condensed
from condensery.report.course import Course, Span, course_of
from condensery.report.curves import (
    PAGE,
    accuracy_over_size,
    bytes_over_size,
    course_chart,
    to_svg,
)
from condensery.report.facts import caveats, duration, made, percent, recipe_text, size_of
from condensery.report.tiles import exact, tile_rows

__all__ = ["render", "write_report"]

_MOST_SPANS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _SizeRow:
    """A line of the table of sizes; texts as they are shown."""

    size: int
    images: str
    bytes: str
    ours: str
    random: str
    gain: str
    better: bool


def write_report(
    path: str | Path,
    *,
    condensed: str | Path,
    observations: Sequence[Mapping[str, Any]] = (),
    metrics: Sequence[Mapping[str, Any]] = (),
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page. The same input gives the same bytes.

    Args:
        path: The HTML file to write; whole or not at all.
        condensed: The condensed-set file.
        observations: Lines of ``observations.jsonl``, one a trained network. Where there are
            none, the averages that the file carries are shown.
        metrics: Lines of ``metrics.jsonl``, one an image update.
        run: ``recipe``, ``versions``, ``machine``, ``seconds``, ``peak_memory_mb``, ``data``;
            what is missing is said to be.

    Returns:
        ``path``.

    Raises:
        ArtifactError: If ``condensed`` is no condensed-set file.
    """
    path = Path(path)
    text = render(
        read_condensed(condensed),
        command_path=os.path.relpath(condensed, path.parent),
        observations=observations,
        metrics=metrics,
        run=run or {},
    )
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)
    return path


def render(
    file: CondensedFile,
    *,
    command_path: str,
    observations: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
) -> str:
    """The text of the page.

    Args:
        file: What to report on.
        command_path: The file's path as the commands on the page name it.
        observations: As in ``write_report``.
        metrics: As in ``write_report``.
        run: As in ``write_report``.
    """
    from jinja2 import Environment, StrictUndefined

    comparisons = compare(observations) or recorded(file.manifest.get("observations") or ())
    tables = [_table(file, each) for each in comparisons] or [_table(file, None)]
    course = course_of(metrics)
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    source = files("condensery.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    decode: Mapping[str, Any] = file.manifest.get("decode") or {}
    return environment.from_string(source).render(
        file=file,
        name=str(file.manifest.get("name") or file.name),
        path=command_path,
        shell_path=shlex.quote(command_path),
        total_bytes=size_of(file.file_bytes),
        share=_share(file, run),
        comparisons=comparisons,
        charts=_accuracy_charts(comparisons),
        tables=[_lines(table) for table in tables],
        sizes=[asdict(row) for row in tables[0]],
        bytes_chart=to_svg(
            bytes_over_size(file.bytes, theme=PAGE),
            name="bytes",
            label=f"Line chart: bytes over size, from {size_of(file.bytes[0])} for 1 image per "
            f"class to {size_of(file.bytes[-1])} for {file.sizes}.",
        ),
        rows=tile_rows(file),
        exact=exact(file),
        factor=int(decode.get("factor") or 1),
        prefixes=decode.get("order") != "crop",
        course=course,
        course_chart=_course_chart(course),
        spans=[] if course is None else [_span(span) for span in course.spans[:_MOST_SPANS]],
        spans_left=0 if course is None else max(0, len(course.spans) - _MOST_SPANS),
        made=made(file, run),
        recipe=recipe_text(file, run),
        caveats=caveats(file, comparisons, course, run),
        evaluation_seconds=_evaluation_seconds(observations),
    )


def _accuracy_charts(comparisons: Sequence[Comparison]) -> list[str]:
    ends = [
        100 * (point.mean + sign * (point.std or 0.0))
        for comparison in comparisons
        for point in (*comparison.ours, *comparison.random)
        for sign in (-1, 1)
    ]
    if not ends:
        return []
    # The same axis for all, from a multiple of 10 to one; never beyond what is possible.
    limits = (max(0.0, math.floor(min(ends) / 10 - 0.1) * 10), min(100.0, (max(ends) // 5 + 1) * 5))
    return [
        to_svg(
            accuracy_over_size(comparison, limits=limits, theme=PAGE),
            name=f"accuracy{index}",
            label=f"Line chart: test accuracy over images per class, {comparison.title}. "
            "The table below holds the numbers.",
        )
        for index, comparison in enumerate(comparisons)
    ]


def _table(file: CondensedFile, comparison: Comparison | None) -> list[_SizeRow]:
    return [_size_row(file, comparison, size) for size in range(1, file.sizes + 1)]


def _lines(table: Sequence[_SizeRow]) -> list[_SizeRow]:
    """What a reader wants to see of a long table: sizes that were measured, and its ends."""
    ends = (table[0].size, table[-1].size)
    return [row for row in table if len(table) <= 10 or row.ours or row.random or row.size in ends]


def _size_row(file: CondensedFile, comparison: Comparison | None, size: int) -> _SizeRow:
    ours, random = (None, None) if comparison is None else comparison.at(size)
    gain = None if ours is None or random is None else ours.mean - random.mean
    return _SizeRow(
        size=size,
        images=f"{file.rows[size - 1]:,}",
        bytes=size_of(file.bytes[size - 1]),
        ours=_spread(ours),
        random=_spread(random),
        gain="" if gain is None else f"{100 * gain:+.1f}".replace("-", "−"),
        better=gain is not None and gain > 0,
    )


def _spread(point: Point | None) -> str:
    if point is None:
        return ""
    return percent(point.mean) + ("" if point.std is None else f"\u00a0±\u00a0{percent(point.std)}")


def _course_chart(course: Course | None) -> str:
    if course is None:
        return ""
    below = "; below, the sizes chosen and frozen" if course.chooses else ""
    return to_svg(
        course_chart(course, theme=PAGE),
        name="course",
        label=f"Line chart: matching loss over {course.iterations} iterations{below}.",
    )


def _span(span: Span) -> tuple[str, str, str]:
    iterations = str(span.first + 1)
    if span.last > span.first:
        iterations += f" to {span.last + 1}"
    chosen = "none" if span.subset is None else _between(*span.subset)
    return iterations, chosen, "none" if span.frozen[1] == 0 else _between(*span.frozen)


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _share(file: CondensedFile, run: Mapping[str, Any]) -> str:
    """The stored images as a part of the training images; empty where these are unknown."""
    data: Mapping[str, Any] = run.get("data") or file.manifest.get("data") or {}
    images = data.get("images")
    if not images:
        return ""
    return f"{100 * len(file.images) / images:.2g} % of the {images:,} training images"


def _evaluation_seconds(observations: Sequence[Mapping[str, Any]]) -> str:
    seconds = math.fsum(float(seen.get("seconds") or 0) for seen in observations)
    return duration(seconds) if seconds else ""
