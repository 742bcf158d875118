"""Whether two rows of a table have the same relation as in a paper: the sign of a difference.

Only a difference above the level of chance counts. Imports no torch, and knows nothing about how a
table is shown.
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
"""97.5 % points of Student's t for 1, 2, ... degrees of freedom; the last one for all more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The relation of two rows, here and in a paper.

    Attributes:
        row: The row that is compared.
        other: The other row.
        difference: Difference of the averages over the sizes, in points.
        error: Its standard error; ``None`` if an average is of one value.
        least: Chance exceeds this difference once in 20 times, in points; ``None`` as ``error``.
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
        """Whether the difference may be chance; ``None`` if there is no deviation."""
        return None if self.least is None else abs(self.difference) <= self.least

    @property
    def agrees(self) -> bool | None:
        """Whether the sign is that of the paper; ``None`` if it is not certain."""
        if self.noise is not False or self.published is None:
            return None
        return (self.difference > 0) == (self.published > 0)


def relations(
    table: AccuracyTable, printed: Mapping[str, PublishedFigures], *, row: str
) -> list[Relation]:
    """The relations of a row to all other rows, in the order of the table.

    The deviations of two averages are assumed to be independent (Welch). Rows whose networks have
    the same seeds usually differ less by chance.

    Args:
        table: The table with the averages.
        printed: Published figures by row.
        row: The row that is compared; there are no relations if it has no average.
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
