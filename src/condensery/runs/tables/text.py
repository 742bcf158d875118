"""A paper's table as a page and as Markdown for people, and as CSV for programs."""

from __future__ import annotations

import csv
import io

from condensery.averages import Average
from condensery.report import compared
from condensery.report.compared import Block, Section, accuracy_chart, shown_rows
from condensery.report.table import Table
from condensery.runs.comparison.content import EXTRA, Content
from condensery.runs.tables.reproduction import Reproduction

_COLUMNS = (
    *("data", "network", "row", "size", "accuracy", "std", "over", "count"),
    *("difference", "published", "source"),
)


def page(reproduction: Reproduction) -> str:
    """The table as a page that stands alone."""
    return compared.page(
        reproduction.title,
        lead=reproduction.lead,
        sections=_sections(reproduction),
        blocks=_blocks(reproduction),
    )


def markdown(reproduction: Reproduction) -> str:
    """The table as Markdown, data set by data set."""
    text = compared.markdown(_sections(reproduction), _blocks(reproduction))
    return f"# {reproduction.title}\n\n{reproduction.lead}\n\n{text}\n"


def _sections(reproduction: Reproduction) -> list[Section]:
    tables = [
        (data, content, table)
        for data, content in reproduction.parts.items()
        for table in content.tables
    ]
    return [
        _section(reproduction, data, content, table, name=f"accuracy{index}")
        for index, (data, content, table) in enumerate(tables)
    ]


def _section(
    reproduction: Reproduction, data: str, content: Content, table: Table, *, name: str
) -> Section:
    title = f"{data}, tested with {table.network}"
    verdicts = reproduction.verdicts(content, table)
    agreement = {"Does it agree with the paper?": verdicts} if verdicts else {}
    return Section(
        title=title,
        sizes=table.sizes,
        rows=shown_rows(
            table,
            published=content.published,
            reference=content.published.get("c") or content.published.get("idc"),
            in_cells=True,
            extra=content.extra,
        ),
        extra=EXTRA,
        chart=accuracy_chart(table, name=name, title=title),
        warning=content.warning,
        caption=reproduction.caption(content),
        notes={**agreement, "How to read it": reproduction.notes(content, table)},
    )


def _blocks(reproduction: Reproduction) -> list[Block]:
    missing = list(reproduction.missing.items())
    return [Block(title="Data that was not given", facts=missing)] if missing else []


def csv_text(reproduction: Reproduction) -> str:
    """One record a data set, network, row and size (``average`` last).

    ``accuracy``, ``std``, ``difference`` (of averages, to C) and ``published`` are fractions of 1;
    ``over`` is what ``std`` and ``count`` are over.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for data, content in reproduction.parts.items():
        for table in content.tables:
            for row in table.rows:
                theirs = content.published.get(row.name)
                cells: list[tuple[int | str, Average | None]] = [
                    *((size, row.cells.get(size)) for size in table.sizes),
                    ("average", row.average),
                ]
                for size, cell in cells:
                    if theirs is None:
                        known = None
                    elif isinstance(size, int):
                        known = theirs.accuracy.get(size)
                    else:
                        known = theirs.average(table.sizes)
                    if cell is None and known is None:
                        continue
                    writer.writerow(
                        {
                            "data": data,
                            "network": table.network,
                            "row": row.name,
                            "size": size,
                            **_measured(cell, table),
                            "difference": _number(row.difference if size == "average" else None),
                            "published": "" if known is None else repr(round(known / 100, 6)),
                            "source": "" if known is None or theirs is None else theirs.source,
                        }
                    )
    return buffer.getvalue()


def _measured(cell: Average | None, table: Table) -> dict[str, object]:
    if cell is None:
        return {}
    return {
        "accuracy": repr(cell.mean),
        "std": _number(cell.std),
        "over": table.over,
        "count": cell.count,
    }


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
