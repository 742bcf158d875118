"""Whether a table says of two rows what a paper says: signs of differences of averages.

A difference counts where it is larger than chance makes it. Imports no torch, knows nothing about
how a table is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condensery.averages import Average
from condensery.report.published import PublishedFigures
from condensery.report.table import AccuracyTable

_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
"""97.5 % points of Student's t with 1, 2, ... degrees of freedom; a last one stands for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Two rows, here and in a paper.

    Attributes:
        row: Whose average is compared.
        other: With whose.
        difference: Of the averages over the sizes, in points.
        error: Its standard error; ``None`` where an average has one value behind it.
        least: What chance alone exceeds once in 20 times, in points; ``None`` as ``error``.
        published: The same difference in the paper, or ``None``.
    """

    row: str
    other: str
    difference: float
    error: float | None
    least: float | None
    published: float | None

    @property
    def noise(self) -> bool | None:
        """Whether the difference may be chance; ``None`` where nothing is known of chance."""
        return None if self.least is None else abs(self.difference) <= self.least

    @property
    def agrees(self) -> bool | None:
        """Whether the sign is the paper's; ``None`` where that cannot be said."""
        if self.noise is not False or self.published is None:
            return None
        return (self.difference > 0) == (self.published > 0)


def relations(
    table: AccuracyTable, printed: Mapping[str, PublishedFigures], *, row: str
) -> list[Relation]:
    """How a row stands to every other row, in the order of the table.

    The deviations behind two averages are taken as independent (Welch). Rows whose networks begin
    from the same seeds usually differ less by chance than that.

    Args:
        table: Its averages.
        printed: By row.
        row: The row that is compared; none where it has no average.
    """
    own = next((each for each in table.rows if each.name == row), None)
    if own is None or own.average is None:
        return []
    found: list[Relation] = []
    for other in table.rows:
        if other.average is None or other.name == row:
            continue
        error, least = _noise(own.average, other.average)
        found.append(
            Relation(
                row=row,
                other=other.name,
                difference=100 * (own.average.mean - other.average.mean),
                error=error,
                least=least,
                published=_printed(printed, row, other.name, table.sizes),
            )
        )
    return found


def _printed(
    printed: Mapping[str, PublishedFigures], row: str, other: str, sizes: Sequence[int]
) -> float | None:
    own, against = (
        None if name not in printed else printed[name].average(sizes) for name in (row, other)
    )
    return None if own is None or against is None else own - against


def _noise(one: Average, other: Average) -> tuple[float | None, float | None]:
    """Standard error of a difference of means, and its 95 % half-width."""
    if one.std is None or other.std is None:
        return None, None
    parts = [(100 * cell.std) ** 2 / cell.count for cell in (one, other) if cell.std is not None]
    square = math.fsum(parts)
    if not square:
        return 0.0, 0.0
    counts = (one.count, other.count)
    below = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    freedom = max(1, int(square**2 / below))
    error = math.sqrt(square)
    return error, _T[min(freedom, len(_T)) - 1] * error
