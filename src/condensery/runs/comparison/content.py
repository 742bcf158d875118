"""What a comparison says beside its numbers, and the numbers as lines of text cells.

Markdown and the page show the same lines. Imports no torch, knows nothing about either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condensery.formatting import duration
from condensery.report.lines import Line, measured_cells, printed_cells
from condensery.report.published import Published
from condensery.report.table import Table

__all__ = ["Content", "Cost", "Made"]


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
    """What a batch of sets took.

    Attributes:
        sets: Names of the runs.
        seed: Of the condensation.
        seconds: Wall time.
    """

    sets: tuple[str, ...]
    seed: int
    seconds: float


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
                    cells=measured_cells(row, table.sizes),
                    runs=str(made.runs) if made.runs else "–",
                    stored=str(made.stored),
                )
            )
            other = self.published.get(row.name)
            if other is not None and _says(other, table.sizes):
                cells = printed_cells(other, self.published.get("c"), table.sizes)
                found.append(Line(name=row.name, cells=cells, source=other.source))
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


def _says(other: Published, sizes: Sequence[int]) -> bool:
    return other.average(sizes) is not None or any(size in other.accuracy for size in sizes)
