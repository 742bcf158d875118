"""Accuracy over size, one line a contender, as an SVG element whose colours the page decides.

Lines differ in colour (Okabe and Ito), marker and dash. Imports no torch, knows nothing about the
page but the names of its variables: ``--ink``, ``--muted``, ``--grid`` and ``--line0`` ....
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from condensery.averages import Average
from condensery.report.table import Table

__all__ = ["COLOURS", "figure", "sample"]

_Up = Callable[[float], float]
"""From per cent to a height in the picture."""

COLOURS = 8
"""Line colours of the page; later lines begin anew, with another dash."""

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 700, 16, 352
_DASHES = ("", "7 4", "2 4")
_MARKS = (
    '<circle cx="{x}" cy="{y}" r="4"/>',
    '<rect x="{x}" y="{y}" width="7" height="7" transform="translate(-3.5 -3.5)"/>',
    '<path d="M{x} {y}m-4.5 3.5h9l-4.5 -8z"/>',
    '<path d="M{x} {y}m0 -5l5 5l-5 5l-5 -5z"/>',
)


def figure(table: Table) -> str:
    """The chart of a table; bands are one deviation. Empty where nothing was measured."""
    cells = [cell for row in table.rows for cell in row.cells.values()]
    if not cells:
        return ""
    low = min(100 * (cell.mean - (cell.std or 0)) for cell in cells)
    high = max(100 * (cell.mean + (cell.std or 0)) for cell in cells)
    step = next(x for x in (1, 2, 5, 10, 20) if (high - low) / x <= 8 or x == 20)
    bottom = max(0, math.floor(low / step) * step)
    top = min(100, max(math.ceil(high / step) * step, bottom + step))

    def up(percent: float) -> float:
        inside = min(max(percent, bottom), top)
        return _BOTTOM - (inside - bottom) / (top - bottom) * (_BOTTOM - _TOP)

    parts = [_axes(table.sizes, range(bottom, top + 1, step), up=up)]
    for index, row in enumerate(table.rows):
        points = [(_across(table.sizes, n), row.cells[n]) for n in table.sizes if n in row.cells]
        parts.append(_line(row.name, index, points, up=up))
    label = (
        f"Line chart: test accuracy over images per class, {len(table.rows)} lines. "
        "The table below holds the numbers."
    )
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def sample(index: int) -> str:
    """A short piece of line ``index``, for the legend."""
    mark = _MARKS[index % len(_MARKS)].format(x=17, y=7)
    return (
        f'<svg class="sample" viewBox="0 0 34 14" aria-hidden="true"><g class="line" '
        f'style="--own: var(--line{index % COLOURS})"><path class="way" d="M1 7H33" '
        f'stroke-dasharray="{_DASHES[index // COLOURS % len(_DASHES)]}"/>{mark}</g></svg>'
    )


def _across(sizes: Sequence[int], size: int) -> float:
    """Logarithmic where sizes reach beyond 12, as between 1 and 50."""
    if len(sizes) == 1:
        return (_LEFT + _RIGHT) / 2
    scale = math.log if max(sizes) > 12 else float
    first, last = scale(min(sizes)), scale(max(sizes))
    return round(_LEFT + 14 + (scale(size) - first) / (last - first) * (_RIGHT - _LEFT - 28), 1)


def _axes(sizes: Sequence[int], ticks: Sequence[int], *, up: _Up) -> str:
    parts: list[str] = []
    for tick in ticks:
        y = round(up(tick), 1)
        parts.append(f'<path class="grid" d="M{_LEFT} {y}H{_RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick}</text>')
    reached = -math.inf
    for size in reversed(sizes):  # the largest is named, whatever else has room
        x = _across(sizes, size)
        if abs(reached - x) >= 22:
            parts.append(f'<text x="{x}" y="{_BOTTOM + 20}" text-anchor="middle">{size}</text>')
            reached = x
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">images per class</text>'
    )
    centre = (_TOP + _BOTTOM) / 2
    parts.append(
        f'<text x="14" y="{centre}" text-anchor="middle" '
        f'transform="rotate(-90 14 {centre})">test accuracy in %</text>'
    )
    return "".join(parts)


def _line(name: str, index: int, points: Sequence[tuple[float, Average]], *, up: _Up) -> str:
    if not points:
        return ""
    middle = [(x, round(up(100 * cell.mean), 1)) for x, cell in points]
    upper = [(x, round(up(100 * (cell.mean + (cell.std or 0))), 1)) for x, cell in points]
    lower = [(x, round(up(100 * (cell.mean - (cell.std or 0))), 1)) for x, cell in points]
    band = ""
    if any(cell.std for _, cell in points):
        band = f'<path class="band" d="M{_joined([*upper, *reversed(lower)])}Z"/>'
    marks = "".join(_MARKS[index % len(_MARKS)].format(x=x, y=y) for x, y in middle)
    dash = _DASHES[index // COLOURS % len(_DASHES)]
    return (
        f'<g class="line" data-contender="{escape(name)}" '
        f'style="--own: var(--line{index % COLOURS})"><title>{escape(name)}</title>{band}'
        f'<path class="way" d="M{_joined(middle)}" stroke-dasharray="{dash}"/>{marks}</g>'
    )


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x} {y}" for x, y in points)
