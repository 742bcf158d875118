"""The tables of a comparison as a page and as Markdown for people, and as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from condensery.formatting import NOTHING, duration
from condensery.report import compared
from condensery.report.compared import PageBlock, TableSection, accuracy_chart, shown_rows
from condensery.report.table import AccuracyRow, AccuracyTable
from condensery.runs.comparison.content import EXTRA, ComparisonContent

_COLUMNS = (
    *("network", "row", "kind", "size", "accuracy"),
    *("std", "over", "count", "difference", "source"),
)


def page(content: ComparisonContent) -> str:
    """``table.html``: the comparison as a self-contained page."""
    return compared.page(
        content.title,
        lead="Test accuracy in per cent of fresh networks, by images per class.",
        sections=_sections(content),
        blocks=_blocks(content),
    )


def markdown(content: ComparisonContent) -> str:
    """``table.md``: the same tables, notes, costs and conditions."""
    text = compared.markdown(_sections(content), _blocks(content))
    return f"# {content.title}\n\n{text}\n"


def _sections(content: ComparisonContent) -> list[TableSection]:
    return [
        TableSection(
            title=(title := f"Tested with {table.network}"),
            sizes=table.sizes,
            rows=shown_rows(
                table,
                published=content.published,
                reference=content.published.get("c"),
                extra=content.extra,
            ),
            extra=EXTRA,
            chart=accuracy_chart(table, name=f"accuracy{index}", title=title),
            warning=content.warning,
            notes={"": content.notes(table)},
        )
        for index, table in enumerate(content.tables)
    ]


def _blocks(content: ComparisonContent) -> list[PageBlock]:
    blocks: list[PageBlock] = []
    if content.costs:
        note = (
            "The sets of a batch share networks, real images and random draws; their times cannot "
            "be told apart. Experts are trained once and kept in the cache folder; their CPU time "
            "is shown even if another run has trained them."
        )
        if content.evaluation_seconds:
            took = duration(content.evaluation_seconds)
            note += f" Training and testing all networks took {took}."
        blocks.append(
            PageBlock(
                title="What it cost",
                head=("seed", "condensing took", "CPU time of the experts", "sets", "which"),
                rows=[
                    (
                        str(x.seed),
                        duration(x.seconds),
                        NOTHING if x.expert_cpu_seconds is None else duration(x.expert_cpu_seconds),
                        str(len(x.sets)),
                        ", ".join(x.sets),
                    )
                    for x in content.costs
                ],
                note=note,
            )
        )
    return [*blocks, PageBlock(title="Conditions", facts=content.conditions)]


def csv_text(content: ComparisonContent) -> str:
    """One record for each row and size (``average`` last): fractions of 1, full precision.

    ``kind`` is measured or published; ``over`` says over what ``std`` and ``count`` are;
    ``difference`` is that of the averages to C.
    """
    records: list[dict[str, Any]] = []
    for table in content.tables:
        for row in table.rows:
            records += [{"kind": "measured", **known} for _, known in measured(table, row) if known]
            if other := content.published.get(row.name):
                own = {"network": table.network, "row": row.name, "kind": "published"}
                records += [
                    {**own, "size": size, "accuracy": fraction(figure), "source": other.source}
                    for size in table.sizes
                    if (figure := other.accuracy.get(size)) is not None
                ]
    return as_csv(_COLUMNS, records)


def measured(
    table: AccuracyTable, row: AccuracyRow
) -> Iterator[tuple[int | str, dict[str, object]]]:
    """The known sizes of a row (``"average"`` last) with cells for a CSV."""
    cells = [*((size, row.cells.get(size)) for size in table.sizes), ("average", row.average)]
    for size, cell in cells:
        known: dict[str, object] = {}
        if cell is not None:
            known = {"network": table.network, "row": row.name, "size": size}
            known |= {"accuracy": cell.mean, "std": cell.std, "over": table.over}
            known |= {"count": cell.count}
            known |= {"difference": row.difference if size == "average" else None}
        yield size, known


def fraction(percent: float) -> float:
    """A published figure as a fraction of 1."""
    return round(percent / 100, 6)


def as_csv(columns: Sequence[str], records: Iterable[Mapping[str, object]]) -> str:
    """Records as CSV; missing values and ``None`` are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return buffer.getvalue()
