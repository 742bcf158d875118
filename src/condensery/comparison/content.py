"""What a comparison says beside its numbers, and the numbers as lines of text cells.

Markdown and the page show the same lines. Imports no torch, knows nothing about either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from condensery.report.facts import duration, percent
from condensery.report.published import Published
from condensery.report.table import Cell, Row, Table

__all__ = ["SPREAD", "Content", "Cost", "Line", "Made", "points", "rounded"]

SPREAD = "\u00a0±\u00a0"
"""Between a mean and its deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a contender took.

    Attributes:
        runs: Condensations of one seed.
        stored: Images per class that all its sets hold together.
    """

    runs: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a group of sets took that were condensed in lockstep.

    Attributes:
        sets: Names of the runs.
        seed: Of the condensation.
        seconds: Wall time.
    """

    sets: tuple[str, ...]
    seed: int
    seconds: float


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that the files of a comparison are made of.

    Attributes:
        title: Of the comparison.
        tables: One a network.
        published: By contender.
        made: By contender.
        costs: One a group and seed.
        conditions: ``(word, value)``: protocol, budget, seeds, machine.
        base: The method of A, B and C.
        unfinished: Networks that are still to be trained.
        evaluation_seconds: Of all networks together.
    """

    title: str
    tables: Sequence[Table]
    published: Mapping[str, Published]
    made: Mapping[str, Made]
    costs: Sequence[Cost]
    conditions: Sequence[tuple[str, str]]
    base: str
    unfinished: int
    evaluation_seconds: float

    def lines(self, table: Table) -> list[Line]:
        """The rows, each followed by what is published of it."""
        found: list[Line] = []
        for row in table.rows:
            made = self.made[row.name]
            found.append(
                Line(
                    name=row.name,
                    cells=_measured(row, table.sizes),
                    runs=str(made.runs) if made.runs else "–",
                    stored=str(made.stored),
                )
            )
            other = self.published.get(row.name)
            if other is not None and _says(other, table.sizes):
                found.append(
                    Line(name=row.name, cells=self._printed(other, table), source=other.source)
                )
        return found

    def notes(self, table: Table) -> list[str]:
        """What a reader must know before quoting the table."""
        found = [_spread_note(table)]
        found.append("Every accuracy is that of a network after its last step, never the best.")
        if table.reference is not None:
            found.append(
                f"Diff. is the average minus that of baseline C (row {table.reference}), in points."
            )
        own = {row.name for row in table.rows}
        what = {
            "a": f"a: {self.base} condensed anew for every size, and tested whole.",
            "b": f"b: {self.base} for one image per class, once for each of the images per "
            "class, from other real images every time; the sets one after the other.",
            "c": f"c: {self.base} once for the largest size, without a subset loss, and cut.",
            "random": "random: real images, drawn anew for every network.",
        }
        found.extend(text for name, text in what.items() if name in own)
        if any(line.source for line in self.lines(table)):
            found.append(
                "Published figures are of the full protocol, in their own implementation; no "
                "shortened run can be set against them. Their average is over the sizes shown."
            )
        if self.unfinished:
            found.append(f"{self.unfinished} networks are still to be trained: not the last word.")
        return found

    def cost_lines(self) -> list[tuple[str, str, str, str]]:
        """Seed, time, number of sets and their names, one line a group."""
        return [
            (str(cost.seed), duration(cost.seconds), str(len(cost.sets)), ", ".join(cost.sets))
            for cost in self.costs
        ]

    def _printed(self, other: Published, table: Table) -> tuple[str, ...]:
        """As it was printed; a difference is to the published C."""
        sizes = table.sizes
        own = other.average(sizes)
        c = self.published.get("c")
        against = None if c is None else c.average(sizes)
        gain = None if own is None or against is None else own - against
        return (
            *(rounded(other.accuracy[n]) if n in other.accuracy else "–" for n in sizes),
            "–" if own is None else rounded(own),
            "–" if gain is None else points(gain),
        )


def _spread_note(table: Table) -> str:
    counts = sorted({cell.count for row in table.rows for cell in row.cells.values()})
    if not counts:
        return "Nothing has been measured yet."
    many = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    if table.over == "condensations":
        return f"± is one sample deviation over {many} condensations, each from its own seed."
    if counts[-1] == 1:
        return "One network a size: nothing is known of the spread."
    return (
        f"± is one sample deviation over {many} networks that were trained on one condensation: "
        "it does not show how much another condensation would differ."
    )


def _measured(row: Row, sizes: Sequence[int]) -> tuple[str, ...]:
    return (
        *(_spread(row.cells.get(size)) for size in sizes),
        _spread(row.average),
        "–" if row.difference is None else points(100 * row.difference),
    )


def _says(other: Published, sizes: Sequence[int]) -> bool:
    return other.average(sizes) is not None or any(size in other.accuracy for size in sizes)


def _spread(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    return percent(cell.mean) + ("" if cell.std is None else f"{SPREAD}{percent(cell.std)}")


def points(value: float) -> str:
    """A difference, always with its sign; a minus is a minus."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def rounded(percent: float) -> str:
    """To one digit as people round: what was printed as 49.55 is 49.6."""
    exact = Decimal(repr(round(percent, 6)))
    return str(exact.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))
