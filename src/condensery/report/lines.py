"""A table of accuracies as lines of text cells: measured ones, and what papers print beside.

Markdown and pages show the same lines. Knows nothing about either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from condensery.report.facts import percent, points, rounded
from condensery.report.published import Published
from condensery.report.table import Cell, Row

__all__ = ["SPREAD", "Line", "grid", "measured_cells", "printed_cells"]

SPREAD = "\u00a0±\u00a0"
"""Between a mean and its deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the table, as text.

    Attributes:
        name: Of the contender.
        cells: One a size, then average and difference; ``"–"`` where nothing is known.
        source: Who published it; empty where it was measured here.
        runs: Condensations of one seed; empty where nothing is condensed, or published.
        stored: Images per class.
    """

    name: str
    cells: tuple[str, ...]
    source: str = ""
    runs: str = ""
    stored: str = ""


def measured_cells(row: Row, sizes: Sequence[int]) -> tuple[str, ...]:
    """One a size, then average and difference."""
    return (
        *(_spread(row.cells.get(size)) for size in sizes),
        _spread(row.average),
        "–" if row.difference is None else points(100 * row.difference),
    )


def printed_cells(
    printed: Published,
    against: Published | None,
    sizes: Sequence[int],
    *,
    averaged: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """As they were printed: one a size, then average and difference to that of ``against``.

    Args:
        printed: What is known of the contender.
        against: Whose average is subtracted, or ``None``.
        sizes: The columns.
        averaged: Sizes of the average, if not all of ``sizes``.
    """
    over = sizes if averaged is None else averaged
    own = printed.average(over) if over else None
    other = against.average(over) if over and against is not None else None
    gain = None if own is None or other is None else own - other
    return (
        *(rounded(printed.accuracy[n]) if n in printed.accuracy else "–" for n in sizes),
        "–" if own is None else rounded(own),
        "–" if gain is None else points(gain),
    )


def grid(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [f"{'-' * (width - 1)}:" for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in (rows[0], rule, *rows[1:])
    )


def _spread(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    return percent(cell.mean) + ("" if cell.std is None else f"{SPREAD}{percent(cell.std)}")
