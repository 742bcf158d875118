"""The page and the text of ``condensery report`` for several runs."""

from __future__ import annotations

from collections.abc import Sequence

from condensery.formatting import byte_count
from condensery.report import compared
from condensery.report.charts import SizeLine, lines_over_size
from condensery.report.compared import (
    PageBlock,
    TableSection,
    accuracy_chart,
    shown_rows,
    spread_note,
)
from condensery.report.drawing import to_svg
from condensery.report.published import PublishedFigures, published
from condensery.report.several_runs import ShownSet, TestSetting

_LEAD = (
    "Test accuracy in per cent of fresh networks, by images per class. Only sets that were tested "
    "in the same way are in one table."
)


def render(tables: Sequence[TestSetting], entries: Sequence[ShownSet], *, data: str) -> str:
    """The text of the page; equal input gives equal text."""
    runs = [each for each in entries if each.run]
    order = list(dict.fromkeys(each.name for table in tables for each in table.entries))
    return compared.page(
        f"{data}: {', '.join(each.name for each in runs)}",
        lead=_LEAD,
        sections=_sections(tables, order, data),
        blocks=[*_costs(tables[0], runs, order), _made(runs, order)],
    )


def markdown(tables: Sequence[TestSetting], *, data: str) -> str:
    """The tables as text."""
    order = list(dict.fromkeys(each.name for table in tables for each in table.entries))
    return compared.markdown(_sections(tables, order, data))


def _sections(tables: Sequence[TestSetting], order: Sequence[str], data: str) -> list[TableSection]:
    return [_section(each, order, data, index) for index, each in enumerate(tables)]


def _section(versus: TestSetting, order: Sequence[str], data: str, index: int) -> TableSection:
    table = versus.table
    title = f"Tested with {table.network}, {versus.training}"
    figures = {
        each.name: figure
        for each in versus.entries
        if (figure := _published(each, data)) is not None
        and any(size in figure.accuracy for size in table.sizes)
    }
    reference = next((each for each in versus.entries if each.name == table.reference), None)
    lines = [order.index(row.name) for row in table.rows]
    return TableSection(
        title=title,
        sizes=table.sizes,
        rows=shown_rows(
            table,
            published=figures,
            reference=None if reference is None else _published(reference, data),
            averaged=versus.averaged,
            lines=lines,
        ),
        chart=accuracy_chart(table, name=f"accuracy{index}", title=title, lines=lines),
        notes={"": _notes(versus)},
    )


def _notes(versus: TestSetting) -> list[str]:
    """Notes that a reader must know before quoting a table."""
    table = versus.table
    notes = [spread_note(table)]
    over = ", ".join(map(str, versus.averaged))
    if not versus.averaged:
        notes.append("No size was tested in all runs, so there is no average.")
    elif versus.averaged != table.sizes:
        notes.append(f"Avg. is over the sizes that all runs were tested at: {over}.")
    if table.reference is not None:
        notes.append(f"Diff. is the average minus that of {table.reference}, in points.")
    if versus.missing:
        notes.append(
            f"Not tested in this way, and therefore not in the table: {', '.join(versus.missing)}."
        )
    if versus.key[3] is not None:
        notes.append(
            "The protocol was shortened to a number of steps that is the same for all sets. Do "
            "not compare these accuracies with published ones."
        )
    notes.append("Every accuracy is that of a network after its last step, never the best.")
    return notes


def _costs(versus: TestSetting, runs: Sequence[ShownSet], order: Sequence[str]) -> list[PageBlock]:
    charts: dict[str, str] = {}
    by_bytes = [
        SizeLine(
            name=each.name,
            line=order.index(each.name),
            sizes=tuple(range(1, len(each.bytes) + 1)),
            values=tuple(count / 1000 for count in each.bytes),
        )
        for each in runs
        if each.bytes and each.name in order
    ]
    if by_bytes:
        largest = ", ".join(f"{x.name} {byte_count(x.bytes[-1])}" for x in runs if x.bytes)
        charts["Bytes over size"] = to_svg(
            lines_over_size(by_bytes, label="kB of the tensors", limits=(0, None)),
            name="bytes",
            label=f"Line chart: bytes over images per class; at the largest size {largest}",
        )
    by_time = [
        SizeLine(
            name=each.name,
            line=order.index(each.name),
            sizes=tuple(p.size for p in each.points[versus.key] if p.seconds is not None),
            values=tuple(p.seconds for p in each.points[versus.key] if p.seconds is not None),
        )
        for each in versus.entries
    ]
    note = ""
    if any(trace.sizes for trace in by_time):
        network = versus.table.network
        charts[f"Time to train and test one {network}"] = to_svg(
            lines_over_size(by_time, label="seconds a network", limits=(0, None)),
            name="time",
            label="Line chart: seconds to train and test one network over images per class, "
            f"{network}, {versus.training}.",
        )
        note = "Seconds are wall time on the machine of each run, with all other work it did."
    return [PageBlock(title="Bytes and time", charts=charts, note=note)] if charts else []


def _made(runs: Sequence[ShownSet], order: Sequence[str]) -> PageBlock:
    shown = [each for each in runs if each.name in order]
    words = list(dict.fromkeys(word for each in runs for word, _ in each.facts))
    return PageBlock(
        title="How each was made",
        head=("run", *words),
        rows=[(each.name, *(dict(each.facts).get(x, "") for x in words)) for each in shown],
        lines=[order.index(each.name) for each in shown],
    )


def _published(entry: ShownSet, data: str) -> PublishedFigures | None:
    return published(data, entry.method, ipc=entry.ipc) if entry.method else None
