"""A reproduced table: the comparisons of its data sets, with the figures of the paper.

Markdown and the page have the same text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condensery.formatting import duration, points
from condensery.report.published import PublishedFigures, published
from condensery.report.table import AccuracyTable
from condensery.runs.comparison.content import ComparisonContent
from condensery.runs.tables.papers import PaperTable
from condensery.runs.tables.relations import Relation, relations

_COMPARED = "mdc"
"""The row of the method that the paper proposes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """The content of all files of a reproduced table.

    Attributes:
        paper: The table of the paper.
        budget: The preset.
        parts: ``{data set: its comparison}``, in the order of the page, with the figures of the
            paper as ``published``.
        missing: ``{data set: how to give it}``.
    """

    paper: PaperTable
    budget: str
    parts: Mapping[str, ComparisonContent]
    missing: Mapping[str, str]

    @property
    def title(self) -> str:
        """The title: which table, and how it was made."""
        return f"{self.paper.name}, {self.paper.ipc} images per class, budget {self.budget}"

    @property
    def lead(self) -> str:
        """What the cells contain."""
        brackets = f" In brackets: what {self.paper.paper} prints." if self._printed else ""
        return (
            f"{self.paper.summary}. Test accuracy in per cent of fresh networks, by images per "
            f"class.{brackets}"
        )

    def caption(self, content: ComparisonContent) -> str:
        """How the numbers of a data set were measured: protocol, seeds, budget, machine, cost."""
        conditions = dict(content.conditions)
        condensing = sum(cost.seconds for cost in content.costs)
        budget = conditions["Condensed by"].replace("preset", "budget", 1)
        parts = [
            conditions["Data"].partition(", fingerprint")[0],
            f"Condensed by {budget}; seeds {conditions['Condensation seeds']}",
            f"Tested by {conditions['Tested by']}; networks {conditions['Network seeds']}",
            f"{conditions['Machine']}, {conditions['Versions']}",
            f"Condensing took {duration(condensing)}, "
            f"testing {duration(content.evaluation_seconds)}",
        ]
        return ". ".join(parts) + "."

    def notes(self, content: ComparisonContent, table: AccuracyTable) -> list[str]:
        """Notes that a reader must know before quoting the table."""
        own = [text for text in content.notes(table) if not text.startswith("Published figures")]
        if self._printed:
            own.append(
                "Figures in brackets are of the full protocol in the authors' implementation; do "
                "not compare those of a shortened run with them. Their averages are over the sizes "
                "shown."
            )
        return [*own, self.paper.note] if self.paper.note else own

    def verdicts(self, content: ComparisonContent, table: AccuracyTable) -> list[str]:
        """Whether the relations of rows in the paper hold here, one sentence for each."""
        found = relations(table, content.published, row=_COMPARED)
        lines = [_verdict(relation) for relation in found]
        measured = any(relation.error is not None for relation in found)
        return [*lines, _measure(table)] if measured else lines

    @property
    def _printed(self) -> bool:
        return any(content.published for content in self.parts.values())


def printed_in(paper: PaperTable, data: str, names: Sequence[str]) -> dict[str, PublishedFigures]:
    """The figures of rows in the paper itself for a data set; other papers are left out."""
    found = {name: published(data, name, ipc=paper.ipc) for name in names}
    return {
        name: each
        for name, each in found.items()
        if each is not None and each.source == paper.paper
    }


def _verdict(relation: Relation) -> str:
    error = "" if relation.error is None else f" ± {relation.error:.1f}"
    here = f"{points(relation.difference)}{error} points here"
    theirs = relation.published
    there = "not printed in the paper" if theirs is None else f"{points(theirs)} in the paper"
    if relation.noise is None:
        verdict = "One network was trained for each size: nothing is known of the noise"
    elif relation.noise:
        verdict = "Within the noise: neither agrees nor disagrees"
    elif relation.agrees is None:
        verdict = "Larger than the noise"
    else:
        verdict = "Agrees" if relation.agrees else "Disagrees"
    return f"{relation.row} − {relation.other}: {here}, {there}. {verdict}."


def _measure(table: AccuracyTable) -> str:
    if table.over == "condensations":
        what, but = "condensations", ""
    else:
        what = "networks of one condensation"
        but = ", and another condensation may differ by more"
    return (
        f"± is here the standard error of a difference of averages, over {what}{but}. A difference "
        "within its 95 % half-width (Welch) counts as noise."
    )
