"""A table of accuracies as lines of text cells: measured ones, and what papers print beside.

Markdown and pages show the same lines. Knows nothing about either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from condensery.averages import Average
from condensery.formatting import NOTHING, plus_minus, points, rounded
from condensery.report.published import Published
from condensery.report.table import Row

__all__ = ["Line", "measured_cells", "printed_cells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the table, as text.

    Attributes:
        name: Of the contender.
        cells: One a size, then average and difference; a dash where nothing is known.
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
        NOTHING if row.difference is None else points(100 * row.difference),
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
        *(rounded(printed.accuracy[n]) if n in printed.accuracy else NOTHING for n in sizes),
        NOTHING if own is None else rounded(own),
        NOTHING if gain is None else points(gain),
    )


def _spread(cell: Average | None) -> str:
    return NOTHING if cell is None else plus_minus(cell.mean, cell.std)
