"""The numbers of the page as text: by size, across architectures, and from papers.

Knows nothing about HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condensery.condensed.artifact import CondensedSet
from condensery.formatting import byte_count, plus_minus, points, rounded
from condensery.report.accuracy import AccuracyBySize, AccuracyPoint, WholeAccuracy
from condensery.report.published import PublishedFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRow:
    """A line of the table of sizes, as the texts of the page; empty if unknown."""

    size: int
    images: str
    bytes: str
    ours: str
    kept: str  # accuracy as a share of that of all images, in per cent
    random: str
    gain: str
    better: bool
    baselines: tuple[str, ...]
    printed: str
    seconds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTable:
    """All sizes in one setting."""

    title: str  # of the comparison; empty where nothing was measured
    baselines: tuple[str, ...]  # names of the further sets, in the order of ``SizeRow.baselines``
    rows: tuple[SizeRow, ...]  # sizes 1..N
    printed: bool  # whether anything is published of the method
    timed: bool  # whether the time of a training is known
    against_random: bool  # whether random images were tested
    whole: str  # what all images give, in per cent; empty if unknown

    @property
    def lines(self) -> tuple[SizeRow, ...]:
        """The important lines of a long table: measured or published sizes, and its ends."""
        ends = (self.rows[0].size, self.rows[-1].size)
        return tuple(
            row
            for row in self.rows
            if len(self.rows) <= 10
            or row.size in ends
            or any((row.ours, row.random, *row.baselines, row.printed))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossTable:
    """Several architectures with one protocol.

    Attributes:
        training: Protocol and length.
        sizes: The columns.
        rows: ``(network, cells)``; a cell has the condensed set, random images and the gain.
    """

    training: str
    sizes: tuple[int, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]


def by_size(
    condensed: CondensedSet, comparison: AccuracyBySize | None, printed: PublishedFigures | None
) -> SizeTable:
    """The table of a setting; only of the set if nothing was measured."""
    figures = {} if printed is None or comparison is None else printed.accuracy
    rows = tuple(
        _row(condensed, comparison, figures, size) for size in range(1, condensed.sizes + 1)
    )
    return SizeTable(
        title="" if comparison is None else comparison.title,
        baselines=() if comparison is None else tuple(comparison.baselines),
        rows=rows,
        printed=any(row.printed for row in rows),
        timed=any(row.seconds for row in rows),
        against_random=any(row.random for row in rows),
        whole="" if comparison is None else spread(comparison.whole),
    )


def kept(comparison: AccuracyBySize, size: int) -> float | None:
    """Accuracy of a size as a fraction of that of all images; ``None`` if one is unknown."""
    ours, _ = comparison.at(size)
    whole = comparison.whole
    return None if ours is None or whole is None or not whole.mean else ours.mean / whole.mean


def headlines(condensed: CondensedSet, comparison: AccuracyBySize, *, images: int) -> list[str]:
    """What share of the accuracy of all images the smallest and the largest tested size keep.

    Args:
        condensed: The set.
        comparison: The accuracies in one setting.
        images: Number of training images of the data.
    """
    tested = [point.size for point in comparison.ours]
    found: list[str] = []
    for size in dict.fromkeys((tested[0], tested[-1]) if tested else ()):
        share = kept(comparison, size)
        if share is not None:
            found.append(
                f"Size {size} keeps {100 * share:.0f} % of what all {images:,} images give, at "
                f"{100 * condensed.rows[size - 1] / images:.2g} % of the images."
            )
    return found


def across(comparisons: Sequence[AccuracyBySize]) -> list[CrossTable]:
    """A table for every protocol that tested more than one architecture."""
    groups: dict[str, list[AccuracyBySize]] = {}
    for comparison in comparisons:
        groups.setdefault(comparison.training, []).append(comparison)
    found: list[CrossTable] = []
    for training, group in groups.items():
        sizes = tuple(sorted({point.size for each in group for point in each.ours}))
        rows = tuple((each.network, tuple(_cell(each, size) for size in sizes)) for each in group)
        if len(group) > 1 and sizes:
            found.append(CrossTable(training=training, sizes=sizes, rows=rows))
    return found


def printed_rows(
    known: Mapping[str, PublishedFigures], sizes: Sequence[int]
) -> list[tuple[str, tuple[str, ...], str]]:
    """``(row, figures in per cent at the sizes, source)``, without rows that have no figure."""
    found: list[tuple[str, tuple[str, ...], str]] = []
    for name, each in known.items():
        cells = tuple(rounded(each.accuracy[n]) if n in each.accuracy else "" for n in sizes)
        if any(cells):
            found.append((name, cells, each.source))
    return found


def spread(point: AccuracyPoint | WholeAccuracy | None) -> str:
    """Mean and deviation in per cent; empty if unknown."""
    return "" if point is None else plus_minus(point.mean, point.std)


def _row(
    condensed: CondensedSet,
    comparison: AccuracyBySize | None,
    printed: Mapping[int, float],
    size: int,
) -> SizeRow:
    ours, random = (None, None) if comparison is None else comparison.at(size)
    baselines = {} if comparison is None else comparison.baselines
    gain, better = _gain(ours, random)
    share = None if comparison is None else kept(comparison, size)
    return SizeRow(
        size=size,
        images=f"{condensed.rows[size - 1]:,}",
        bytes=byte_count(condensed.bytes_of(size)),
        ours=spread(ours),
        kept="" if share is None else f"{100 * share:.1f} %",
        random=spread(random),
        gain=gain,
        better=better,
        baselines=tuple(
            spread(next((point for point in points if point.size == size), None))
            for points in baselines.values()
        ),
        printed=rounded(printed[size]) if size in printed else "",
        seconds="" if ours is None or ours.seconds is None else f"{ours.seconds:.1f}",
    )


def _cell(comparison: AccuracyBySize, size: int) -> tuple[str, str, str]:
    ours, random = comparison.at(size)
    return spread(ours), spread(random), _gain(ours, random)[0]


def _gain(ours: AccuracyPoint | None, random: AccuracyPoint | None) -> tuple[str, bool]:
    if ours is None or random is None:
        return "", False
    gain = ours.mean - random.mean
    return points(100 * gain), gain > 0
