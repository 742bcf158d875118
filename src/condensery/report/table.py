"""The table of a comparison: means, deviations, averages over the sizes, and the gain over C.

It contains plain numbers. Knows nothing about how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from condensery.averages import Average, average, average_over_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """A row of a table."""

    name: str  # of the row
    cells: Mapping[int, Average]  # ``{size: accuracy}``; sizes that were not measured are left out
    average: Average | None  # over all sizes of the table; ``None`` while one is missing
    difference: float | None  # its average minus that of the reference, or ``None``


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyTable:
    """The table of one network."""

    network: str  # that was trained
    sizes: tuple[int, ...]  # images per class, ascending
    rows: tuple[AccuracyRow, ...]  # in the order of their names
    over: Literal["condensations", "networks"]  # what deviations are over
    reference: str | None  # the row that ``difference`` is to (baseline C), or ``None``


def tabulated(
    network: str,
    accuracies: Mapping[str, Mapping[int, Sequence[Sequence[float]]]],
    *,
    names: Sequence[str],
    sizes: Sequence[int],
    condensations: int,
    reference: str | None,
) -> AccuracyTable:
    """Average the accuracies of one network.

    With several condensations, the deviation of a cell is over condensations, each with the mean of
    its networks, and so it is the deviation of a new condensation. With one condensation it is over
    its networks.

    Args:
        network: Name of the network.
        accuracies: ``{row: {size: [condensation][network]}}``, fractions of 1.
        names: Names of the rows; a row without accuracies is left out.
        sizes: The columns.
        condensations: Number of condensations.
        reference: The row of baseline C, or ``None``.
    """
    sizes = tuple(sorted(sizes))
    values = {
        name: {
            size: _values(accuracies[name][size], condensations)
            for size in sizes
            if size in accuracies[name] and _whole(accuracies[name][size])
        }
        for name in names
        if name in accuracies
    }
    averages = {name: _average(by_size, sizes) for name, by_size in values.items()}
    against = averages.get(reference) if reference is not None else None
    rows: list[AccuracyRow] = []
    for name, by_size in values.items():
        own = averages[name]
        gain = None if own is None or against is None else own.mean - against.mean
        cells = {size: average(each) for size, each in by_size.items()}
        rows.append(AccuracyRow(name=name, cells=cells, average=own, difference=gain))
    return AccuracyTable(
        network=network,
        sizes=sizes,
        rows=tuple(rows),
        over="networks" if condensations == 1 else "condensations",
        reference=reference if against is not None else None,
    )


def _whole(cells: Sequence[Sequence[float]]) -> bool:
    return all(cells) and len({len(each) for each in cells}) == 1


def _values(cells: Sequence[Sequence[float]], condensations: int) -> tuple[float, ...]:
    return tuple(cells[0]) if condensations == 1 else tuple(map(fmean, cells))


def _average(by_size: Mapping[int, Sequence[float]], sizes: Sequence[int]) -> Average | None:
    """The average over all sizes; ``None`` if a size was not measured."""
    if any(size not in by_size for size in sizes):
        return None
    return average_over_sizes([by_size[size] for size in sizes])
