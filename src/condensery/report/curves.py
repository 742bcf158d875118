"""Line charts of the report: accuracy over size, bytes over size, the course of a run.

Drawn with matplotlib's object interface, imported when first needed; nothing global is left
changed, and the same numbers give the same bytes. Colours are those of Okabe and Ito, which
colour-blind readers can tell apart; lines differ in marker and dash as well. Knows nothing about
HTML, but for ``PAGE``, whose colours are the page's CSS variables and follow its light or dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from condensery.report.accuracy import Comparison, Point
from condensery.report.course import Bin, Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DARK",
    "LIGHT",
    "PAGE",
    "Theme",
    "accuracy_over_size",
    "bytes_over_size",
    "course_chart",
    "to_png",
    "to_svg",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours of a chart; its background is transparent."""

    ink: str
    muted: str
    grid: str
    ours: str
    random: str


LIGHT = Theme(ink="#1b1f24", muted="#59636e", grid="#d8dee4", ours="#0072b2", random="#c55a00")
DARK = Theme(ink="#e6edf3", muted="#9da7b1", grid="#30363d", ours="#56b4e9", random="#e69f00")
PAGE = Theme(ink="#010101", muted="#020202", grid="#030303", ours="#040404", random="#050505")
"""Stands for the page's variables ``--ink``, ``--muted``...: ``to_svg`` puts them in."""

_ROUND = tuple(step * 10**power for power in range(7) for step in (1, 2, 5))

_SETTINGS = {
    "font.family": "sans-serif",
    "font.size": 11.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "condensery",
    "axes.unicode_minus": True,
    "path.simplify": True,
}


def accuracy_over_size(
    comparison: Comparison, *, limits: tuple[float, float], theme: Theme = LIGHT
) -> Figure:
    """Accuracy of the condensed set and of random images; bands are one standard deviation.

    Args:
        comparison: What to draw.
        limits: Of the vertical axis, in percent: the same for charts side by side.
        theme: Colours.
    """
    with _style():
        figure, (axes,) = _empty(theme, heights=(1,))
        for points, name, colour, dash, mark in (
            (comparison.ours, "this file", theme.ours, "-", "o"),
            (comparison.random, "random real images", theme.random, "--", "s"),
        ):
            _line(axes, points, name=name, colour=colour, dash=dash, mark=mark)
        sizes = sorted({point.size for point in (*comparison.ours, *comparison.random)})
        _size_axis(axes, sizes, theme)
        axes.set_ylim(*limits)
        axes.set_ylabel("test accuracy in %", color=theme.muted)
        _legend(axes, theme)
        return figure


def bytes_over_size(held: Sequence[int], *, theme: Theme = LIGHT) -> Figure:
    """Kilobytes of the tensors of the sizes 1..N."""
    with _style():
        figure, (axes,) = _empty(theme, heights=(1,))
        sizes = range(1, len(held) + 1)
        kilobytes = [count / 1000 for count in held]
        mark = "o" if len(held) <= 20 else ""
        axes.fill_between(sizes, 0, kilobytes, color=theme.ours, alpha=0.15, linewidth=0)
        axes.plot(sizes, kilobytes, color=theme.ours, marker=mark, markersize=5, linewidth=2)
        axes.set_xlabel("images per class", color=theme.muted)
        step = next(x for x in _ROUND if 8 * x >= len(held))
        axes.set_xticks([1, *(x for x in sizes if x % step == 0 and x > 1)])
        axes.set_ylim(bottom=0)
        axes.set_ylabel("kB", color=theme.muted)
        return figure


def course_chart(course: Course, *, theme: Theme = LIGHT) -> Figure:
    """Losses above; below, if the run chose sizes, which were chosen and frozen when."""
    from matplotlib.ticker import MaxNLocator

    with _style():
        figure, (above, *below) = _empty(theme, heights=(3, 2) if course.chooses else (1,))
        _losses(above, course.total, name="all sizes together", colour=theme.ours, dash="-")
        _losses(above, course.full, name="full set alone", colour=theme.muted, dash="--")
        lows = [part.low for part in (*course.total, *course.full)]
        highs = [part.high for part in (*course.total, *course.full)]
        if lows and min(lows) > 0 and max(highs) > 20 * min(lows):
            above.set_yscale("log")
        above.set_ylabel("matching loss", color=theme.muted)
        if course.full:
            _legend(above, theme)
        for axes in below:
            _sizes(axes, course, theme)
            _legend(axes, theme)
        bottom = (above, *below)[-1]
        bottom.set_xlabel("iteration", color=theme.muted)
        bottom.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        for axes in (above, *below):
            axes.set_xlim(0, course.iterations)
        return figure


def to_svg(figure: Figure, *, name: str, label: str) -> str:
    """An ``<svg>`` element to stand in a page.

    Args:
        figure: A chart of this module.
        name: Put before the ids of its parts: two charts in a page need two names.
        label: Read out in place of the picture.

    Returns:
        The element alone: no prolog, no address, colours of ``PAGE`` as CSS variables.
    """
    from html import escape

    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with _style():
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    for size in ("width", "height"):  # of the element itself: the page decides
        text = re.sub(rf'(<svg\b[^>]*?) {size}="[^"]*"', r"\1", text, count=1)
    for field in fields(Theme):
        text = text.replace(getattr(PAGE, field.name), f"var(--{field.name})")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label, quote=True)}"', 1)


def to_png(figure: Figure, *, dpi: int = 144) -> bytes:
    """The chart as a PNG file with a transparent background."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with _style():
        figure.set_dpi(dpi)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


@contextmanager
def _style() -> Generator[None]:
    """Our settings, whatever the user's are; put back afterwards."""
    import matplotlib
    from matplotlib import rc_context

    keep = {"backend", "backend_fallback", "toolbar", "interactive"}
    plain: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in keep}
    plain.update(_SETTINGS)
    with rc_context(plain):
        yield


def _empty(theme: Theme, *, heights: tuple[int, ...]) -> tuple[Figure, list[Axes]]:
    """A figure made for 370 CSS pixels, the width of a phone: it can only grow."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.2 if len(heights) == 1 else 4.4), layout="constrained")
    figure.patch.set_alpha(0)
    parts = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    found = list(parts[:, 0])
    for axes in found:
        axes.patch.set_alpha(0)
        axes.grid(visible=True, color=theme.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=theme.muted, labelcolor=theme.ink, length=3)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(theme.muted)
    return figure, found


def _line(
    axes: Axes, points: Sequence[Point], *, name: str, colour: str, dash: str, mark: str
) -> None:
    if not points:
        return
    sizes = [point.size for point in points]
    means = [100 * point.mean for point in points]
    spread = [100 * (point.std or 0.0) for point in points]
    low = [mean - std for mean, std in zip(means, spread, strict=True)]
    high = [mean + std for mean, std in zip(means, spread, strict=True)]
    if any(spread):
        axes.fill_between(sizes, low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(
        sizes,
        means,
        color=colour,
        linestyle=dash,
        marker=mark,
        markersize=5,
        linewidth=2,
        label=name,
    )


def _size_axis(axes: Axes, sizes: Sequence[int], theme: Theme) -> None:
    """Label sizes that are there; a wide range is logarithmic."""
    axes.set_xlabel("images per class", color=theme.muted)
    wide = len(sizes) > 1 and max(sizes) > 12
    if wide:
        axes.set_xscale("log")
    shown = [x for x in sizes if x in _ROUND or x == max(sizes)] if wide else list(sizes)
    if wide and len(shown) > 1 and shown[-1] < 1.4 * shown[-2]:
        del shown[-2]
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.set_xticks([], minor=True)


def _losses(axes: Axes, bins: Sequence[Bin], *, name: str, colour: str, dash: str) -> None:
    if not bins:
        return
    at = [part.at for part in bins]
    low, high = [part.low for part in bins], [part.high for part in bins]
    axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    mark = "o" if len(bins) == 1 else ""
    means = [part.mean for part in bins]
    axes.plot(at, means, color=colour, linestyle=dash, marker=mark, linewidth=1.6, label=name)


def _sizes(axes: Axes, course: Course, theme: Theme) -> None:
    """Chosen sizes as a step line, or as a band where classes differ; frozen ones as an area."""
    from matplotlib.ticker import MaxNLocator

    edges = [span.first for span in course.spans] + [course.iterations]
    frozen = [span.frozen[1] for span in course.spans]
    low, high = (
        [float("nan") if span.subset is None else span.subset[end] for span in course.spans]
        for end in (0, 1)
    )
    if any(frozen):
        axes.stairs(frozen, edges, fill=True, color=theme.muted, alpha=0.35, label="frozen")
    if low == high or all(a == b or a != a for a, b in zip(low, high, strict=True)):
        axes.stairs(high, edges, baseline=None, color=theme.ours, linewidth=2, label="chosen")
    else:
        axes.stairs(
            high, edges, baseline=low, fill=True, color=theme.ours, alpha=0.5, label="chosen"
        )
    top = max([size for size in (*high, *frozen) if size == size], default=1)
    axes.set_ylim(0, top + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_ylabel("images per class", color=theme.muted)


def _legend(axes: Axes, theme: Theme) -> None:
    """Above the axes, where no line can run through it."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderaxespad=0.2,
            ncols=2,
            frameon=False,
            labelcolor=theme.ink,
            fontsize=10,
        )
