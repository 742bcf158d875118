"""How charts are drawn: colours, lines, an empty figure, a legend, and the ``<svg>`` of a chart.

Charts use the object interface of matplotlib, which is imported when it is first needed. No global
setting is changed, and equal numbers give equal bytes. The colours are those of Okabe and Ito,
which colour-blind readers can distinguish; style.css contains them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INK, MUTED, GRID, OURS, RANDOM = "#010101", "#020202", "#030303", "#040404", "#050505"
_LINES = (OURS, RANDOM, "#060606", "#070707", "#080808", "#090909", "#0a0a0a", "#0b0b0b")
"""Colours that represent the CSS variables ``--ink``, ``--muted`` ... ``--line7`` of the page.

``to_svg`` replaces them by the variables, so a chart follows the light or dark mode of its page.
"""

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    OURS: "ours",
    RANDOM: "random",
    **{colour: f"line{index}" for index, colour in enumerate(_LINES[2:], start=2)},
}

_DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (3.7, 1.6),
    (6.4, 1.6, 1, 1.6),
    (4, 1.2, 1, 1.2, 1, 1.2),
)
"""Lengths of dashes and gaps, in widths of the line."""

_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")

_LONG_NAME = 24
"""Above this number of letters, two names do not fit in one row above a chart."""

_SETTINGS = {
    "font.family": "sans-serif",
    "font.size": 11.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "condensery",
    "axes.unicode_minus": True,
    "path.simplify": True,
}


def line_colour(index: int) -> str:
    """The colour of line ``index``. Line 8 has the colour of line 0, but another dash."""
    return _LINES[index % len(_LINES)]


def dash(index: int) -> Any:  # noqa: ANN401 - what matplotlib calls a line style
    """The line style of line ``index``."""
    strokes = _DASHES[_dash_of(index)]
    return (0, strokes) if strokes else "-"


def mark(index: int) -> str:
    """The marker of line ``index``."""
    return _MARKS[index % len(_MARKS)]


def sample(index: int) -> str:
    """A short piece of line ``index`` as an ``<svg>`` element, for the rows of a table."""
    from matplotlib.markers import MarkerStyle

    marker = MarkerStyle(mark(index))
    (corners,) = marker.get_path().transformed(marker.get_transform()).to_polygons()
    outline = "L".join(f"{17 + 9 * x:.1f} {7 - 9 * y:.1f}" for x, y in np.asarray(corners))
    strokes = " ".join(f"{2 * length:g}" for length in _DASHES[_dash_of(index)])
    return (
        f'<svg class="sample" viewBox="0 0 34 14" aria-hidden="true" '
        f'style="stroke: var(--{variable(index)}); fill: var(--{variable(index)})">'
        f'<path d="M1 7H33" stroke-width="2" stroke-dasharray="{strokes}"/>'
        f'<path d="M{outline}Z" stroke="none"/></svg>'
    )


def variable(index: int) -> str:
    """The CSS variable of the page for the colour of line ``index``."""
    return _VARIABLES[line_colour(index)]


def _dash_of(index: int) -> int:
    return (index + index // len(_MARKS)) % len(_DASHES)


@contextmanager
def style() -> Generator[None]:
    """The settings of the charts instead of those of the user, which are restored afterwards."""
    import matplotlib
    from matplotlib import rc_context

    keep = {"backend", "backend_fallback", "toolbar", "interactive"}
    plain: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in keep}
    plain.update(_SETTINGS)
    with rc_context(plain):
        yield


def empty(*, heights: tuple[int, ...] = (1,), legend_rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure for a width of 370 CSS pixels, that of a phone; a page can only enlarge it.

    Args:
        heights: Relative heights of the parts from top to bottom.
        legend_rows: Number of rows of the legend.
    """
    from matplotlib.figure import Figure

    height = (3.2 if len(heights) == 1 else 4.4) + 0.22 * max(0, legend_rows - 1)
    figure = Figure(figsize=(5.2, height), layout="constrained")
    figure.patch.set_alpha(0)
    parts = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    found = list(parts[:, 0])
    for axes in found:
        axes.patch.set_alpha(0)
        axes.grid(visible=True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=MUTED, labelcolor=INK, length=3)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(MUTED)
    return figure, found


def legend_rows(names: Sequence[str]) -> int:
    """Number of rows of a legend with these names."""
    return -(-len(names) // _legend_columns(names))


def _legend_columns(names: Sequence[str]) -> int:
    return 1 if max(map(len, names), default=0) > _LONG_NAME else 2


def legend(axes: Axes) -> None:
    """Draw the legend above the axes, where no line crosses it; each long name has a row."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderaxespad=0.2,
            ncols=_legend_columns(labels),
            frameon=False,
            labelcolor=INK,
            fontsize=10,
        )


def to_svg(figure: Figure, *, name: str, label: str) -> str:
    """An ``<svg>`` element for a page.

    Args:
        figure: A chart of this package.
        name: Prefix of the ids of its parts: two charts in a page need two names.
        label: Text that is read out in place of the picture.

    Returns:
        Only the element, without prolog and addresses, with colours as CSS variables. Parts with
        the ``gid`` ``"line-3-curve"`` have the attribute ``data-line="3"``.
    """
    from html import escape

    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with style():
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
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    text = re.sub(r'(<g id="[^"]*-line-(\d+)-\w+")', r'\1 data-line="\2"', text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label, quote=True)}"', 1)
