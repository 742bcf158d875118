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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from condensery.formatting import byte_count, duration
from condensery.report.accuracy import Comparison, compare, recorded
from condensery.report.condensed_file import CondensedFile, read_condensed
from condensery.report.course import Course, Nearness, Span, course_of, nearness_of
from condensery.report.course_chart import course_chart, nearness_chart
from condensery.report.curves import Trace, accuracy_over_size, bytes_over_size, time_over_size
from condensery.report.drawing import PAGE, to_svg
from condensery.report.facts import caveats, made, recipe_text
from condensery.report.html import filled, write_whole
from condensery.report.published import Published, known, published
from condensery.report.size_tables import across, by_size, printed_rows
from condensery.report.tiles import exact, tile_rows

__all__ = ["render", "write_report"]

_MOST_SPANS = 40
_PRINTED_WITH = ("convnet3", "resnetap10")
"""Networks that published figures were measured with; a width stands behind a hyphen."""


def write_report(
    path: str | Path,
    *,
    condensed: str | Path,
    observations: Sequence[Mapping[str, Any]] = (),
    metrics: Sequence[Mapping[str, Any]] = (),
    proxy: Sequence[Mapping[str, Any]] = (),
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page. The same input gives the same bytes.

    Args:
        path: The HTML file to write; whole or not at all.
        condensed: The condensed-set file.
        observations: Lines of ``observations.jsonl``, one a trained network. Where there are
            none, the averages that the file carries are shown.
        metrics: Lines of ``metrics.jsonl``, one an image update.
        proxy: Lines of ``proxy.jsonl``, one a measure of all sizes.
        run: ``recipe``, ``versions``, ``machine``, ``seconds``, ``peak_memory_mb``, ``data``,
            ``ended``; what is missing is said to be.

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
        proxy=proxy,
        run=run or {},
    )
    return write_whole(path, text)


def render(
    file: CondensedFile,
    *,
    command_path: str,
    observations: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]],
    proxy: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
) -> str:
    """The text of the page.

    Args:
        file: What to report on.
        command_path: The file's path as the commands on the page name it.
        observations: As in ``write_report``.
        metrics: As in ``write_report``.
        proxy: As in ``write_report``.
        run: As in ``write_report``.
    """
    comparisons = compare(observations) or recorded(file.manifest.get("observations") or ())
    data: Mapping[str, Any] = run.get("data") or file.manifest.get("data") or {}
    named, method = str(data.get("name")), str(file.manifest.get("method"))
    printed = published(named, method, ipc=file.sizes)
    tables = [by_size(file, each, _fitting(printed, each)) for each in comparisons]
    tables = tables or [by_size(file, None, None)]
    course = course_of(metrics)
    near = nearness_of(proxy, inner=1 if course is None else course.inner)
    others = known(named, ipc=file.sizes)
    sizes = [row.size for row in tables[0].lines]
    return filled(
        "report.html.j2",
        file=file,
        name=str(file.manifest.get("name") or file.name),
        path=command_path,
        shell_path=shlex.quote(command_path),
        total_bytes=byte_count(file.file_bytes),
        share=_share(file, data),
        comparisons=comparisons,
        charts=_accuracy_charts(comparisons, printed, method),
        tables=tables,
        crosses=across(comparisons),
        printed=printed_rows(others, sizes) if comparisons else [],
        printed_sizes=sizes,
        data_name=named,
        matched_with=_matched_with(file, run),
        sizes=[asdict(row) for row in tables[0].rows],
        bytes_chart=to_svg(
            bytes_over_size(file.bytes, theme=PAGE),
            name="bytes",
            label=f"Line chart: bytes over size, from {byte_count(file.bytes[0])} for 1 image per "
            f"class to {byte_count(file.bytes[-1])} for {file.sizes}.",
        ),
        time_chart=_time_chart(comparisons),
        rows=tile_rows(file),
        exact=exact(file),
        factor=file.factor,
        prefixes=file.prefixes,
        course=course,
        course_chart=_course_chart(course),
        near=near[-1] if near else None,
        near_chart=_near_chart(near, course),
        spans=[] if course is None else [_span(span) for span in course.spans[:_MOST_SPANS]],
        spans_left=0 if course is None else max(0, len(course.spans) - _MOST_SPANS),
        made=made(file, run),
        recipe=recipe_text(file, run),
        caveats=caveats(file, comparisons, course, run),
        evaluation_seconds=_evaluation_seconds(observations),
    )


def _limits(comparisons: Sequence[Comparison]) -> tuple[float, float] | None:
    """One vertical axis for all, from a multiple of 10 to one of 5; never beyond the possible."""
    ends = [
        100 * (point.mean + sign * (point.std or 0.0))
        for comparison in comparisons
        for point in comparison.points
        for sign in (-1, 1)
    ]
    if not ends:
        return None
    return max(0.0, math.floor(min(ends) / 10 - 0.1) * 10), min(100.0, (max(ends) // 5 + 1) * 5)


def _fitting(printed: Published | None, comparison: Comparison) -> Published | None:
    """What is published, if it was measured with that kind of network."""
    return printed if comparison.network.partition("-")[0] in _PRINTED_WITH else None


def _accuracy_charts(
    comparisons: Sequence[Comparison], printed: Published | None, method: str
) -> list[str]:
    limits = _limits(comparisons)
    if limits is None:
        return []
    charts: list[str] = []
    for index, comparison in enumerate(comparisons):
        fitting = _fitting(printed, comparison)
        trace = None
        if fitting is not None:
            top = max(point.size for point in comparison.points)
            shown = {n: x for n, x in sorted(fitting.accuracy.items()) if n <= top}
            trace = Trace(
                name=f"published {method.upper()}",
                line=None,
                sizes=tuple(shown),
                values=tuple(shown.values()),
            )
        reach = limits if trace is None else _reaching(limits, trace.values)
        charts.append(
            to_svg(
                accuracy_over_size(comparison, limits=reach, theme=PAGE, printed=trace),
                name=f"accuracy{index}",
                label=f"Line chart: test accuracy over images per class, {comparison.title}. "
                "The table below holds the numbers.",
            )
        )
    return charts


def _reaching(limits: tuple[float, float], values: Sequence[float]) -> tuple[float, float]:
    low, high = limits
    if not values:
        return limits
    return min(low, math.floor(min(values) / 10) * 10), max(high, (max(values) // 5 + 1) * 5)


def _time_chart(comparisons: Sequence[Comparison]) -> str:
    timed = [each for each in comparisons if any(point.seconds for point in each.ours)]
    if not timed:
        return ""
    return to_svg(
        time_over_size(timed, theme=PAGE),
        name="time",
        label="Line chart: seconds to train and test one network, over images per class. The "
        "table below holds the numbers.",
    )


def _course_chart(course: Course | None) -> str:
    if course is None:
        return ""
    below = "; below, the sizes chosen and frozen" if course.chooses else ""
    return to_svg(
        course_chart(course, theme=PAGE),
        name="course",
        label=f"Line chart: matching loss over {course.iterations} iterations{below}.",
    )


def _near_chart(near: Sequence[Nearness], course: Course | None) -> str:
    if not near:
        return ""
    first, last = near[0], near[-1]
    return to_svg(
        nearness_chart(near, iterations=None if course is None else course.iterations, theme=PAGE),
        name="near",
        label="Line chart: distance of mean features to real images over the iterations, mean of "
        f"all sizes, from {first.mean:.2f} to {last.mean:.2f}; random images have 1.",
    )


def _span(span: Span) -> tuple[str, str, str]:
    iterations = str(span.first + 1)
    if span.last > span.first:
        iterations += f" to {span.last + 1}"
    chosen = "none" if span.subset is None else _between(*span.subset)
    return iterations, chosen, "none" if span.frozen[1] == 0 else _between(*span.frozen)


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _matched_with(file: CondensedFile, run: Mapping[str, Any]) -> str:
    """The network that the images were made with, in words."""
    recipe: Mapping[str, Any] = run.get("recipe") or file.manifest.get("recipe") or {}
    network = recipe.get("network")
    if network is None:
        return "a network that is not recorded"
    return "no network" if network == "none" else str(network)


def _share(file: CondensedFile, data: Mapping[str, Any]) -> str:
    """The stored images as a part of the training images; empty where these are unknown."""
    images = data.get("images")
    if not images:
        return ""
    return f"{100 * len(file.images) / images:.2g} % of the {images:,} training images"


def _evaluation_seconds(observations: Sequence[Mapping[str, Any]]) -> str:
    seconds = math.fsum(float(seen.get("seconds") or 0) for seen in observations)
    return duration(seconds) if seconds else ""
