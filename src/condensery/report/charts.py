"""Charts over size: accuracy, bytes, time. Lines differ in colour, marker and dash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from condensery.report.accuracy import AccuracyBySize, AccuracyPoint
from condensery.report.drawing import (
    MUTED,
    OURS,
    dash,
    empty,
    legend,
    legend_rows,
    line_colour,
    mark,
    style,
)
from condensery.report.table import AccuracyTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROUND = tuple(step * 10**power for power in range(7) for step in (1, 2, 5))
_PUBLISHED = ((0, (1, 1.4)), "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLine:
    """A line over size."""

    name: str  # in the legend
    line: int | None  # which of the colours, dashes and markers; ``None`` for what is published
    sizes: tuple[int, ...]  # images per class, ascending
    values: tuple[float, ...]  # one a size
    spread: tuple[float, ...] = ()  # one a size, drawn as a band to either side; empty for none


def of_points(name: str, points: Sequence[AccuracyPoint], *, line: int) -> SizeLine:
    """Accuracies in per cent with their deviations."""
    return SizeLine(
        name=name,
        line=line,
        sizes=tuple(point.size for point in points),
        values=tuple(100 * point.mean for point in points),
        spread=tuple(100 * (point.std or 0.0) for point in points),
    )


def of_table(table: AccuracyTable, *, lines: Sequence[int] | None = None) -> list[SizeLine]:
    """Accuracies of the rows of a table in per cent, with their deviations."""
    return [
        SizeLine(
            name=row.name,
            line=line,
            sizes=tuple(size for size in table.sizes if size in row.cells),
            values=tuple(100 * row.cells[n].mean for n in table.sizes if n in row.cells),
            spread=tuple(100 * (row.cells[n].std or 0) for n in table.sizes if n in row.cells),
        )
        for line, row in zip(lines or range(len(table.rows)), table.rows, strict=True)
    ]


def percent_limits(traces: Iterable[SizeLine]) -> tuple[float, float]:
    """The ends of a vertical axis in per cent: multiples of 10 and 5 that contain all bands."""
    ends = [
        value + sign * spread
        for trace in traces
        for value, spread in zip(trace.values, trace.spread or repeat(0.0), strict=False)
        for sign in (-1, 1)
    ]
    if not ends:
        return 0.0, 100.0
    # The outer lines keep some distance to the frame, which would cut their marks.
    return max(0.0, (min(ends) - 1) // 10 * 10), min(100.0, ((max(ends) + 1) // 5 + 1) * 5)


def lines_over_size(
    traces: Sequence[SizeLine],
    *,
    label: str,
    limits: tuple[float, float | None],
    named: bool = True,
) -> Figure:
    """Several lines over size with bands of their deviations.

    Args:
        traces: The lines; those without sizes are left out.
        label: Label of the vertical axis.
        limits: Limits of the vertical axis; an upper limit ``None`` depends on the numbers.
        named: Whether to draw a legend.
    """
    shown = [trace for trace in traces if trace.sizes]
    with style():
        rows = legend_rows([trace.name for trace in shown]) if named else 0
        figure, (axes,) = empty(legend_rows=rows)
        for trace in shown:
            _draw(axes, trace)
        _size_axis(axes, sorted({size for trace in shown for size in trace.sizes}))
        axes.set_ylim(bottom=limits[0], top=limits[1])
        axes.set_ylabel(label, color=MUTED)
        if named:
            legend(axes)
        return figure


def accuracy_traces(comparison: AccuracyBySize) -> list[SizeLine]:
    """The condensed set, random images and all baselines; in per cent, with their deviations."""
    sets = {
        "this file": comparison.ours,
        "random real images": comparison.random,
        **comparison.baselines,
    }
    return [of_points(name, each, line=index) for index, (name, each) in enumerate(sets.items())]


def time_over_size(comparisons: Sequence[AccuracyBySize]) -> Figure:
    """Seconds to train and test one network on the condensed set, one line for each setting."""
    traces = [
        SizeLine(
            name=each.network if _alone(each, comparisons) else each.title,
            line=index + (index > 0),  # the colour of random images stands for nothing else
            sizes=tuple(point.size for point in each.ours if point.seconds is not None),
            values=tuple(point.seconds for point in each.ours if point.seconds is not None),
        )
        for index, each in enumerate(comparisons)
    ]
    return lines_over_size(traces, label="seconds a network", limits=(0, None))


def bytes_over_size(held: Sequence[int]) -> Figure:
    """Kilobytes of the tensors of the sizes 1..N."""
    with style():
        figure, (axes,) = empty()
        sizes = range(1, len(held) + 1)
        kilobytes = [count / 1000 for count in held]
        mark = "o" if len(held) <= 20 else ""
        axes.fill_between(sizes, 0, kilobytes, color=OURS, alpha=0.15, linewidth=0)
        axes.plot(sizes, kilobytes, color=OURS, marker=mark, markersize=5, linewidth=2)
        axes.set_xlabel("images per class", color=MUTED)
        step = next(x for x in _ROUND if 8 * x >= len(held))
        axes.set_xticks([1, *(x for x in sizes if x % step == 0 and x > 1)])
        axes.set_ylim(bottom=0)
        axes.set_ylabel("kB", color=MUTED)
        return figure


def _alone(comparison: AccuracyBySize, among: Sequence[AccuracyBySize]) -> bool:
    return sum(each.network == comparison.network for each in among) == 1


def _draw(axes: Axes, trace: SizeLine) -> None:
    if trace.line is None:
        colour, (strokes, marker), width = MUTED, _PUBLISHED, 1.4
    else:
        colour, width = line_colour(trace.line), 2.0
        strokes, marker = dash(trace.line), mark(trace.line)
    if any(trace.spread):
        ends = [zip(trace.values, trace.spread, strict=True) for _ in range(2)]
        low, high = [a - b for a, b in ends[0]], [a + b for a, b in ends[1]]
        axes.fill_between(
            trace.sizes,
            low,
            high,
            color=colour,
            alpha=0.18,
            linewidth=0,
            gid=f"line-{trace.line}-band",
        )
    axes.plot(
        trace.sizes,
        trace.values,
        label=trace.name,
        color=colour,
        linestyle=strokes,
        marker=marker,
        markersize=5,
        linewidth=width,
        gid=f"line-{trace.line}-curve",
    )


def _size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Label the existing sizes; a wide range is logarithmic."""
    axes.set_xlabel("images per class", color=MUTED)
    wide = len(sizes) > 1 and max(sizes) > 12
    if wide:
        axes.set_xscale("log")
    shown = [x for x in sizes if x in _ROUND or x == max(sizes)] if wide else list(sizes)
    if wide and len(shown) > 1 and shown[-1] < 1.4 * shown[-2]:
        del shown[-2]
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.set_xticks([], minor=True)
