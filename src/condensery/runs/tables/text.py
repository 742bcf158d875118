"""A reproduced table as a page and as Markdown for people, and as CSV for programs."""

from __future__ import annotations

from condensery.report import compared
from condensery.report.compared import PageBlock, TableSection, accuracy_chart, shown_rows
from condensery.report.table import AccuracyTable
from condensery.runs.comparison.content import EXTRA, ComparisonContent
from condensery.runs.comparison.text import as_csv, fraction, measured
from condensery.runs.tables.reproduction import Reproduction

_COLUMNS = (
    *("data", "network", "row", "size", "accuracy", "std", "over", "count"),
    *("difference", "published", "source"),
)


def page(reproduction: Reproduction) -> str:
    """The table as a self-contained page."""
    return compared.page(
        reproduction.title,
        lead=reproduction.lead,
        sections=_sections(reproduction),
        blocks=_blocks(reproduction),
    )


def markdown(reproduction: Reproduction) -> str:
    """The table as Markdown, one part for each data set."""
    text = compared.markdown(_sections(reproduction), _blocks(reproduction))
    return f"# {reproduction.title}\n\n{reproduction.lead}\n\n{text}\n"


def _sections(reproduction: Reproduction) -> list[TableSection]:
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
    reproduction: Reproduction,
    data: str,
    content: ComparisonContent,
    table: AccuracyTable,
    *,
    name: str,
) -> TableSection:
    title = f"{data}, tested with {table.network}"
    verdicts = reproduction.verdicts(content, table)
    agreement = {"Does it agree with the paper?": verdicts} if verdicts else {}
    return TableSection(
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


def _blocks(reproduction: Reproduction) -> list[PageBlock]:
    missing = list(reproduction.missing.items())
    return [PageBlock(title="Data that was not given", facts=missing)] if missing else []


def csv_text(reproduction: Reproduction) -> str:
    """One record for each data set, network, row and size (``average`` last).

    ``accuracy``, ``std``, ``difference`` (of averages, to C) and ``published`` are fractions of 1;
    ``over`` says over what ``std`` and ``count`` are.
    """
    records: list[dict[str, object]] = []
    for data, content in reproduction.parts.items():
        for table in content.tables:
            for row in table.rows:
                theirs = content.published.get(row.name)
                for size, known in measured(table, row):
                    printed = None
                    if theirs is not None:
                        whole = theirs.average(table.sizes)
                        printed = theirs.accuracy.get(size) if isinstance(size, int) else whole
                    if theirs is not None and printed is not None:
                        known |= {"network": table.network, "row": row.name, "size": size}
                        known |= {"published": fraction(printed), "source": theirs.source}
                    if known:
                        records.append({"data": data, **known})
    return as_csv(_COLUMNS, records)
