"""``report.html``: one file about a condensed set: its images, results, cost and limits.

The page is self-contained: pictures are inside, nothing is fetched, and a policy in its head
forbids it. If a part is missing, the page says so. Knows nothing about run folders: it uses the
file and the given records.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from condensery.checkpoint import write_atomically
from condensery.condensed.artifact import CondensedSet
from condensery.evaluation.scores import score_rows
from condensery.formatting import byte_count, duration
from condensery.report.accuracy import AccuracyBySize, compare, recorded
from condensery.report.charts import (
    SizeLine,
    accuracy_traces,
    bytes_over_size,
    lines_over_size,
    percent_limits,
    time_over_size,
)
from condensery.report.cost import Cost, cost_of, gained, spent
from condensery.report.drawing import to_svg
from condensery.report.facts import caveats, made, recipe_text
from condensery.report.history import ChoiceSpan, Distances, History, distances_of, history_of
from condensery.report.history_charts import distance_chart, history_chart
from condensery.report.nearest import Nearest
from condensery.report.published import PublishedFigures, known, published
from condensery.report.size_tables import across, by_size, headlines, printed_rows
from condensery.report.templates import filled
from condensery.report.tiles import MOST_CLASSES, exact, tile_rows

_MOST_SPANS = 40
_PRINTED_WITH = ("convnet3", "resnetap10")
"""Networks of published figures; a width follows a hyphen."""


def write_report(
    path: str | Path,
    *,
    condensed: str | Path,
    observations: Sequence[Mapping[str, Any]] = (),
    metrics: Sequence[Mapping[str, Any]] = (),
    proxy: Sequence[Mapping[str, Any]] = (),
    run: Mapping[str, Any] | None = None,
    nearest: Nearest | None = None,
    classes: int = MOST_CLASSES,
) -> Path:
    """Write the page. Equal input gives equal bytes.

    Args:
        path: The HTML file, which is written atomically.
        condensed: The condensed file.
        observations: Lines of ``observations.jsonl``, one for each trained network. If there are
            none, the averages in the condensed file are shown.
        metrics: Lines of ``metrics.jsonl``, one for each image update.
        proxy: Lines of ``proxy.jsonl``, one for each measure of all sizes.
        run: ``recipe``, ``versions``, ``machine``, ``seconds``, ``peak_memory_mb``, ``data``,
            ``ended``, ``expert_cpu_seconds``; the page says which are missing.
        nearest: The nearest real images of images of the set (``nearest_real``).
        classes: Classes whose images are shown, evenly spaced if the set has more; at least 2.

    Returns:
        ``path``.

    Raises:
        ArtifactError: If ``condensed`` is not a condensed file.
    """
    path = Path(path)
    loaded = CondensedSet.load(condensed)
    text = render(
        loaded,
        name=loaded.name or Path(condensed).name,
        file_bytes=Path(condensed).stat().st_size,
        command_path=os.path.relpath(condensed, path.parent),
        observations=observations,
        metrics=metrics,
        proxy=proxy,
        run=run or {},
        nearest=nearest,
        classes=classes,
    )
    write_atomically(path, text.encode())
    return path


def render(
    condensed: CondensedSet,
    *,
    name: str,
    file_bytes: int,
    command_path: str,
    observations: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]],
    proxy: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    nearest: Nearest | None = None,
    classes: int = MOST_CLASSES,
) -> str:
    """The text of the page."""
    comparisons = compare(observations) or recorded(condensed.observations)
    data: Mapping[str, Any] = run.get("data") or condensed.manifest.get("data") or {}
    named, method = str(data.get("name")), str(condensed.manifest.get("method"))
    printed = published(named, method, ipc=condensed.sizes)
    tables = [by_size(condensed, each, _fitting(printed, each)) for each in comparisons]
    tables = tables or [by_size(condensed, None, None)]
    history = history_of(metrics)
    distances = distances_of(proxy, inner=1 if history is None else history.inner)
    cost = cost_of(distances, experts=run.get("expert_cpu_seconds"))
    others = known(named, ipc=condensed.sizes)
    sizes = [row.size for row in tables[0].lines]
    held: list[int] = condensed.manifest["bytes"]
    return filled(
        "run.html.j2",
        condensed=condensed,
        title=f"{name}: condensed set",
        name=name,
        path=command_path,
        shell_path=shlex.quote(command_path),
        total_bytes=byte_count(file_bytes),
        share=_share(condensed, data),
        comparisons=comparisons,
        size_charts=_accuracy_charts(comparisons, printed, method)
        | _bytes_chart(held)
        | _time_chart(comparisons),
        tables=tables,
        headlines=_headlines(condensed, comparisons),
        whole_note=_whole_note(comparisons),
        scores=_scores(condensed),
        crosses=across(comparisons),
        printed=printed_rows(others, sizes) if comparisons else [],
        printed_sizes=sizes,
        data_name=named,
        matched_with=_matched_with(condensed, run),
        sizes=[asdict(row) for row in tables[0].rows],
        rows=tile_rows(condensed, most=classes),
        exact=exact(condensed, most=classes),
        nearest=nearest,
        factor=_factor(condensed),
        prefixes=condensed.prefixes,
        history=history,
        last_distances=distances[-1] if distances else None,
        history_charts=_history_charts(history, [] if cost else distances),
        cost_chart=_cost_chart(cost, distances),
        cost_words=_cost_words(cost, distances, comparisons),
        spans=[] if history is None else [_span(span) for span in history.spans[:_MOST_SPANS]],
        spans_left=0 if history is None else max(0, len(history.spans) - _MOST_SPANS),
        made=made(condensed, run),
        recipe=recipe_text(condensed, run),
        caveats=caveats(condensed, comparisons, history, run),
        evaluation_seconds=_evaluation_seconds(observations),
    )


def _factor(condensed: CondensedSet) -> int:
    """Crops per side of a stored image that the page can decode; 1 if it decodes nothing."""
    decode: Mapping[str, Any] = condensed.manifest["decode"]
    return int(decode.get("inner", decode).get("factor", 1))


def _fitting(
    printed: PublishedFigures | None, comparison: AccuracyBySize
) -> PublishedFigures | None:
    """The published figures, if they were measured with this kind of network."""
    return printed if comparison.network.partition("-")[0] in _PRINTED_WITH else None


def _accuracy_charts(
    comparisons: Sequence[AccuracyBySize], printed: PublishedFigures | None, method: str
) -> dict[str, str]:
    """``{title: chart}``; all vertical axes are equal, except one with published figures."""
    measured = [accuracy_traces(each) for each in comparisons]
    charts: dict[str, str] = {}
    for index, (comparison, own) in enumerate(zip(comparisons, measured, strict=True)):
        figures = _fitting(printed, comparison)
        above: list[SizeLine] = []
        if figures is not None:
            top = max(point.size for point in comparison.points)
            shown = {n: x for n, x in sorted(figures.accuracy.items()) if n <= top}
            name = f"published {method.upper()}"
            above = [
                SizeLine(name=name, line=None, sizes=tuple(shown), values=tuple(shown.values()))
            ]
        figure = lines_over_size(
            [*own, *above],
            label="test accuracy in %",
            limits=percent_limits([*chain.from_iterable(measured), *above]),
        )
        charts[comparison.title] = to_svg(
            figure,
            name=f"accuracy{index}",
            label=f"Line chart: test accuracy over images per class, {comparison.title}. "
            "The table below holds the numbers.",
        )
    return charts


def _bytes_chart(held: Sequence[int]) -> dict[str, str]:
    chart = to_svg(
        bytes_over_size(held),
        name="bytes",
        label=f"Line chart: bytes over size, from {byte_count(held[0])} for 1 image per class to "
        f"{byte_count(held[-1])} for {len(held)}.",
    )
    return {"Bytes of the tensors": chart}


def _time_chart(comparisons: Sequence[AccuracyBySize]) -> dict[str, str]:
    timed = [each for each in comparisons if any(point.seconds for point in each.ours)]
    if not timed:
        return {}
    chart = to_svg(
        time_over_size(timed),
        name="time",
        label="Line chart: seconds to train and test one network, over images per class. The "
        "table below holds the numbers.",
    )
    return {"Time to train and test one network": chart}


def _history_charts(history: History | None, distances: Sequence[Distances]) -> dict[str, str]:
    if history is None:
        return {}
    below = "; below, the sizes chosen and frozen" if history.chooses else ""
    title = "Losses and sizes" if history.chooses else "Losses"
    charts = {
        title: to_svg(
            history_chart(history),
            name="history",
            label=f"Line chart: matching loss over {history.iterations} iterations{below}.",
        )
    }
    if distances:
        first, last = distances[0], distances[-1]
        charts["Distance to real images"] = to_svg(
            distance_chart(distances, iterations=history.iterations),
            name="distance",
            label="Line chart: distance of mean features to real images over the iterations, mean "
            f"of all sizes, from {first.mean:.2f} to {last.mean:.2f}; random images have 1.",
        )
    return charts


def _cost_chart(cost: Cost | None, distances: Sequence[Distances]) -> dict[str, str]:
    if cost is None:
        return {}
    chart = to_svg(
        distance_chart(distances, cost=cost),
        name="cost",
        label="Line chart: distance of mean features to real images over CPU time, mean of all "
        f"sizes, from {distances[0].mean:.2f} to {distances[-1].mean:.2f}; random images have 1.",
    )
    return {"Distance to real images": chart}


def _cost_words(
    cost: Cost | None, distances: Sequence[Distances], comparisons: Sequence[AccuracyBySize]
) -> list[str]:
    if cost is None:
        return []
    return [*spent(cost, distances), *filter(None, map(gained, comparisons[:1]))]


def _span(span: ChoiceSpan) -> tuple[str, str, str]:
    iterations = str(span.first + 1)
    if span.last > span.first:
        iterations += f" to {span.last + 1}"
    chosen = "none" if span.subset is None else _between(*span.subset)
    return iterations, chosen, "none" if span.frozen[1] == 0 else _between(*span.frozen)


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _matched_with(condensed: CondensedSet, run: Mapping[str, Any]) -> str:
    """The matching network in words."""
    recipe: Mapping[str, Any] = run.get("recipe") or condensed.manifest.get("recipe") or {}
    network = recipe.get("network")
    if network is None:
        return "a network that is not recorded"
    return "no network" if network == "none" else str(network)


def _share(condensed: CondensedSet, data: Mapping[str, Any]) -> str:
    """The stored images as a share of the training images; empty if these are unknown."""
    images = data.get("images")
    if not images:
        return ""
    return f"{100 * len(condensed) / images:.2g} % of the {images:,} training images"


def _headlines(condensed: CondensedSet, comparisons: Sequence[AccuracyBySize]) -> list[str]:
    """What sizes keep of the accuracy of all images, in the first setting that tested these."""
    tested = [(each, each.whole) for each in comparisons if each.whole and each.ours]
    return [
        line
        for each, whole in tested[:1]
        for line in headlines(condensed, each, images=whole.images)
    ]


def _scores(condensed: CondensedSet) -> list[list[str]]:
    """The robust scores with their heads; empty if no network was trained on all images."""
    records = condensed.observations
    return score_rows(records) if any("whole" in each for each in records) else []


def _whole_note(comparisons: Sequence[AccuracyBySize]) -> str:
    """How the networks on all images were trained."""
    trained = [each.whole for each in comparisons if each.whole is not None]
    if not trained:
        return ""
    steps = " or ".join(f"{count:,}" for count in sorted({each.steps for each in trained}))
    return (
        "Of all images: the accuracy as a share of that of the same network after training on all "
        f"{trained[0].images:,} training images by the same protocol with hard labels, {steps} "
        "steps; a longer training on all images would lower the shares."
    )


def _evaluation_seconds(observations: Sequence[Mapping[str, Any]]) -> str:
    seconds = math.fsum(float(seen.get("seconds") or 0) for seen in observations)
    return duration(seconds) if seconds else ""
