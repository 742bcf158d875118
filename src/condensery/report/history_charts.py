"""Charts of the history of a run: losses, sizes chosen and frozen, distances to real images.

Knows nothing about HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from condensery.report.cost import Cost
from condensery.report.drawing import MUTED, OURS, RANDOM, empty, legend, line_colour, style
from condensery.report.history import Distances, History, LossBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def history_chart(history: History) -> Figure:
    """Losses at the top; below them, if the run chose sizes, the chosen and the frozen sizes."""
    from matplotlib.ticker import MaxNLocator

    with style():
        figure, (above, *below) = empty(heights=(3, 2) if history.chooses else (1,))
        _losses(above, history.total, name="all sizes together", colour=OURS, dash="-")
        _losses(above, history.full, name="full set alone", colour=MUTED, dash="--")
        lows = [part.low for part in (*history.total, *history.full)]
        highs = [part.high for part in (*history.total, *history.full)]
        if lows and min(lows) > 0 and max(highs) > 20 * min(lows):
            above.set_yscale("log")
        above.set_ylabel("matching loss", color=MUTED)
        if history.full:
            legend(above)
        for axes in below:
            _sizes(axes, history)
            legend(axes)
        bottom = (above, *below)[-1]
        bottom.set_xlabel("iteration", color=MUTED)
        bottom.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        for axes in (above, *below):
            axes.set_xlim(0, history.iterations)
        return figure


def distance_chart(
    distances: Sequence[Distances], *, cost: Cost | None = None, iterations: int | None = None
) -> Figure:
    """Distance of mean features to real images over the run: the mean, the smallest and largest.

    Args:
        distances: The measures, at least one.
        cost: The CPU seconds of the run for the horizontal axis; without them, it has iterations.
        iterations: The last iteration.
    """
    from matplotlib.ticker import MaxNLocator

    seconds, unit = (1.0, "iteration") if cost is None else _unit(cost.total)
    at = [each.at for each in distances] if cost is None else [x / seconds for x in cost.at]
    largest = len(distances[0].relative)
    ends = [(1, line_colour(3), "--", "^"), (largest, line_colour(2), "-.", "D")]
    with style():
        figure, (axes,) = empty(legend_rows=2)
        if cost is not None and cost.experts:
            end = cost.experts / seconds
            axes.axvspan(0, end, color=MUTED, alpha=0.15, linewidth=0, label="experts")
        axes.axhline(1.0, color=RANDOM, linestyle=":", linewidth=1.6, label="random images")
        lines = [("mean of all sizes", [each.mean for each in distances], OURS, "-", "o")]
        if largest > 1:
            lines += [
                (f"{size} per class", [each.relative[size - 1] for each in distances], *rest)
                for size, *rest in ends
            ]
        for name, values, colour, dash, mark in lines:
            axes.plot(
                at,
                values,
                label=name,
                color=colour,
                linestyle=dash,
                marker=mark if len(at) <= 25 else "",
                markersize=4,
                linewidth=1.8,
            )
        axes.set_xlabel(unit, color=MUTED)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=cost is None))
        axes.set_xlim(0, iterations if cost is None else 1.02 * at[-1])
        axes.set_ylim(bottom=0)
        axes.set_ylabel("distance to real images", color=MUTED)
        legend(axes)
        return figure


def _unit(total: float) -> tuple[float, str]:
    """The seconds and the name of a unit in which a CPU time has no long numbers."""
    units = ((3600.0, "CPU hours"), (60.0, "CPU minutes"), (1.0, "CPU seconds"))
    return next((unit for unit in units if total >= 2 * unit[0]), units[-1])


def _losses(axes: Axes, bins: Sequence[LossBin], *, name: str, colour: str, dash: str) -> None:
    if not bins:
        return
    at = [part.at for part in bins]
    low, high = [part.low for part in bins], [part.high for part in bins]
    axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    mark = "o" if len(bins) == 1 else ""
    means = [part.mean for part in bins]
    axes.plot(at, means, color=colour, linestyle=dash, marker=mark, linewidth=1.6, label=name)


def _sizes(axes: Axes, history: History) -> None:
    """Chosen sizes as a step line, or as a band if classes differ; frozen sizes as an area."""
    from matplotlib.ticker import MaxNLocator

    edges = [span.first for span in history.spans] + [history.iterations]
    frozen = [span.frozen[1] for span in history.spans]
    low, high = (
        [float("nan") if span.subset is None else span.subset[end] for span in history.spans]
        for end in (0, 1)
    )
    if any(frozen):
        axes.stairs(frozen, edges, fill=True, color=MUTED, alpha=0.35, label="frozen")
    if low == high or all(a == b or a != a for a, b in zip(low, high, strict=True)):
        axes.stairs(high, edges, baseline=None, color=OURS, linewidth=2, label="chosen")
    else:
        axes.stairs(high, edges, baseline=low, fill=True, color=OURS, alpha=0.5, label="chosen")
    top = max([size for size in (*high, *frozen) if size == size], default=1)
    axes.set_ylim(0, top + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_ylabel("images per class", color=MUTED)
