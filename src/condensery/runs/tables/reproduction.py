"""A table of a paper made anew: the comparisons of its data sets, with what the paper prints.

Markdown and the page show the same words. Imports no torch, knows nothing about either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condensery.averages import Average
from condensery.formatting import duration, percent, points, rounded
from condensery.report.published import Published, published
from condensery.report.table import Row, Table
from condensery.runs.comparison.content import Content
from condensery.runs.tables.papers import PaperTable
from condensery.runs.tables.relations import Relation, relations

__all__ = ["Entry", "Reproduction", "Shown", "printed_in"]

_COMPARED = "mdc"
"""The row that a paper's table is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One number of a table, as text.

    Attributes:
        ours: Measured; ``"–"`` where it was not.
        spread: Its deviation, or empty.
        theirs: Printed in the paper, or empty.
    """

    ours: str
    spread: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of a table, as text.

    Attributes:
        name: Of the contender.
        cells: One a size, then average and difference.
        runs: Condensations of one seed; ``"–"`` where nothing is condensed.
        stored: Images per class.
    """

    name: str
    cells: tuple[Shown, ...]
    runs: str
    stored: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """All that the files of a paper's table are made of.

    Attributes:
        paper: The table.
        budget: Preset that it was made with.
        parts: ``{data set: its comparison}``, in the order shown, with what the paper prints
            as ``published``.
        missing: ``{data set: how to give it}``.
    """

    paper: PaperTable
    budget: str
    parts: Mapping[str, Content]
    missing: Mapping[str, str]

    @property
    def title(self) -> str:
        """Which table, made how."""
        return f"{self.paper.name}, {self.paper.ipc} images per class, budget {self.budget}"

    @property
    def lead(self) -> str:
        """What is in every cell."""
        brackets = f" In brackets: what {self.paper.paper} prints." if self._printed else ""
        return (
            f"{self.paper.summary}. Test accuracy in per cent of fresh networks, by images per "
            f"class.{brackets}"
        )

    def entries(self, content: Content, table: Table) -> list[Entry]:
        """The rows."""
        found: list[Entry] = []
        c = content.published.get("c") or content.published.get("idc")
        against = None if c is None else c.average(table.sizes)
        for row in table.rows:
            made = content.made[row.name]
            theirs = content.published.get(row.name)
            found.append(
                Entry(
                    name=row.name,
                    cells=_cells(row, table.sizes, theirs, against),
                    runs=str(made.runs) if made.runs else "–",
                    stored=str(made.stored),
                )
            )
        return found

    def caption(self, content: Content) -> str:
        """How the numbers of a data set were made: protocol, seeds, budget, machine, cost."""
        told = dict(content.conditions)
        condensing = sum(cost.seconds for cost in content.costs)
        budget = told["Condensed by"].replace("preset", "budget", 1)
        parts = [
            told["Data"].partition(", fingerprint")[0],
            f"Condensed by {budget}; seeds {told['Condensation seeds']}",
            f"Tested by {told['Tested by']}; networks {told['Network seeds']}",
            f"{told['Machine']}, {told['Versions']}",
            f"Condensing took {duration(condensing)}, "
            f"testing {duration(content.evaluation_seconds)}",
        ]
        return ". ".join(parts) + "."

    def notes(self, content: Content, table: Table) -> list[str]:
        """What a reader must know before quoting the table."""
        own = [text for text in content.notes(table) if not text.startswith("Published figures")]
        if self._printed:
            own.append(
                "Figures in brackets are of the full protocol in the authors' implementation; no "
                "shortened run can be set against them. Their averages are over the sizes shown."
            )
        return [*own, self.paper.note] if self.paper.note else own

    def verdicts(self, content: Content, table: Table) -> list[str]:
        """Whether the paper's relations between its rows are found here, one sentence each."""
        found = relations(table, content.published, row=_COMPARED)
        lines = [_verdict(relation) for relation in found]
        measured = any(relation.error is not None for relation in found)
        return [*lines, _measure(table)] if measured else lines

    @property
    def _printed(self) -> bool:
        return any(content.published for content in self.parts.values())


def printed_in(paper: PaperTable, data: str, names: Sequence[str]) -> dict[str, Published]:
    """What the paper itself prints of rows, on a data set; other papers have other protocols."""
    found = {name: published(data, name, ipc=paper.ipc) for name in names}
    return {
        name: each
        for name, each in found.items()
        if each is not None and each.source == paper.paper
    }


def _cells(
    row: Row, sizes: Sequence[int], theirs: Published | None, against: float | None
) -> tuple[Shown, ...]:
    accuracy = {} if theirs is None else theirs.accuracy
    average = None if theirs is None else theirs.average(sizes)
    gain = None if average is None or against is None else average - against
    return (
        *(_shown(row.cells.get(size), accuracy.get(size)) for size in sizes),
        _shown(row.average, average),
        Shown(
            ours="–" if row.difference is None else points(100 * row.difference),
            theirs="" if gain is None else points(gain),
        ),
    )


def _shown(cell: Average | None, theirs: float | None) -> Shown:
    return Shown(
        ours="–" if cell is None else percent(cell.mean),
        spread="" if cell is None or cell.std is None else percent(cell.std),
        theirs="" if theirs is None else rounded(theirs),
    )


def _verdict(relation: Relation) -> str:
    error = "" if relation.error is None else f" ± {relation.error:.1f}"
    here = f"{points(relation.difference)}{error} points here"
    theirs = relation.published
    there = "not printed in the paper" if theirs is None else f"{points(theirs)} in the paper"
    if relation.noise is None:
        said = "One network a size: nothing is known of the noise"
    elif relation.noise:
        said = "Within noise: says neither"
    elif relation.agrees is None:
        said = "Larger than the noise"
    else:
        said = "Agrees" if relation.agrees else "Disagrees"
    return f"{relation.row} − {relation.other}: {here}, {there}. {said}."


def _measure(table: Table) -> str:
    if table.over == "condensations":
        what, but = "condensations", ""
    else:
        what = "networks of one condensation"
        but = ", and another condensation may differ by more"
    return (
        f"± is here the standard error of a difference of averages, over {what}{but}. A difference "
        "within its 95 % half-width (Welch) counts as noise."
    )
