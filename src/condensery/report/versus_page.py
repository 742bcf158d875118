"""The page and the text of several runs side by side. The page stands alone, as every report.

Knows nothing about run folders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condensery.formatting import PLUS_MINUS, byte_count, markdown_table
from condensery.report.curves import Trace, lines_over_size, of_points
from condensery.report.drawing import PAGE, to_svg
from condensery.report.html import filled
from condensery.report.lines import Line, measured_cells, printed_cells
from condensery.report.published import Published, published
from condensery.report.table import Row
from condensery.report.versus import Entry, Versus

__all__ = ["markdown", "render"]

_HEAD = ("images per class", "Avg.", "Diff.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A row of the page: cells as (mean, deviation), and what its columns are sorted by."""

    name: str
    line: int
    cells: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    best: bool
    printed: tuple[Line, ...]


def render(found: Sequence[Versus], entries: Sequence[Entry], *, data: str) -> str:
    """The text of the page; the same input gives the same text.

    Args:
        found: Tables, as ``set_against`` gives them; at least one.
        entries: All runs, for their bytes and how they were made.
        data: Name of the data set.
    """
    runs = [each for each in entries if each.run]
    order = list(dict.fromkeys(each.name for table in found for each in table.entries))
    words = list(dict.fromkeys(word for each in runs for word, _ in each.facts))
    return filled(
        "versus.html.j2",
        title=f"{data}: {', '.join(each.name for each in runs)}",
        tables=[_section(each, order, data, index) for index, each in enumerate(found)],
        bytes_chart=_bytes_chart(runs, order),
        time_chart=_time_chart(found[0], order),
        time_network=found[0].table.network,
        words=words,
        made=[
            (
                each.name,
                _colour(order.index(each.name)),
                [dict(each.facts).get(w, "") for w in words],
            )
            for each in runs
            if each.name in order
        ],
    )


def markdown(found: Sequence[Versus], *, data: str) -> str:
    """The tables as text."""
    parts: list[str] = []
    for each in found:
        table, first = each.table, _HEAD[0]
        rows: list[tuple[str, ...]] = [(first, *map(str, table.sizes), *_HEAD[1:])]
        sources = _sources(each, data)
        for row, entry in zip(table.rows, each.entries, strict=True):
            rows.append((row.name, *measured_cells(row, table.sizes)))
            for line in _printed(entry, each, data):
                number = sources.index(line.source) + 1
                rows.append((f"{row.name}, published, full protocol [{number}]", *line.cells))
        parts.append(f"## Tested with {table.network}, {each.training}")
        parts.append(markdown_table(rows))
        parts += [f"[{number}] {source}" for number, source in enumerate(sources, start=1)]
        parts.append("\n".join(f"* {note}" for note in notes(each)))
    return "\n\n".join(parts)


def notes(versus: Versus) -> list[str]:
    """What a reader must know before quoting a table."""
    table, found = versus.table, list[str]()
    counts = sorted({cell.count for row in table.rows for cell in row.cells.values()})
    many = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    if table.over == "condensations":
        found.append(f"± is one sample deviation over {many} condensations of each.")
    elif counts[-1] == 1:
        found.append("One network a size: nothing is known of the spread.")
    else:
        found.append(
            f"± is one sample deviation over {many} networks that were trained on one condensation "
            "of each: it does not show how much another condensation would differ."
        )
    over = ", ".join(map(str, versus.averaged))
    if not versus.averaged:
        found.append("No size was tested in all runs, so there is no average.")
    elif versus.averaged != table.sizes:
        found.append(f"Avg. is over the sizes that all runs were tested at: {over}.")
    if table.reference is not None:
        found.append(f"Diff. is the average minus that of {table.reference}, in points.")
    if versus.missing:
        found.append(f"Not tested so, and therefore not here: {', '.join(versus.missing)}.")
    if versus.key[3] is not None:
        found.append(
            "The protocol was cut to a number of steps that is the same for all: no figure here "
            "can be set against published ones."
        )
    found.append("Every accuracy is that of a network after its last step, never the best.")
    return found


def _section(versus: Versus, order: Sequence[str], data: str, index: int) -> dict[str, object]:
    table = versus.table
    best = max((row.average.mean for row in table.rows if row.average), default=None)
    return {
        "network": table.network,
        "training": versus.training,
        "sizes": table.sizes,
        "rows": [
            _Shown(
                name=row.name,
                line=order.index(row.name),
                cells=tuple(_parted(cell) for cell in measured_cells(row, table.sizes)),
                keys=_keys(row, table.sizes),
                best=row.average is not None and row.average.mean == best,
                printed=tuple(_printed(entry, versus, data)),
            )
            for row, entry in zip(table.rows, versus.entries, strict=True)
        ],
        "sources": _sources(versus, data),
        "notes": notes(versus),
        "chart": _accuracy_chart(versus, order, index),
        "colours": [_colour(line) for line in range(len(order))],
    }


def _accuracy_chart(versus: Versus, order: Sequence[str], index: int) -> str:
    sizes = set(versus.table.sizes)
    traces = [
        of_points(
            each.name,
            [point for point in each.points[versus.key] if point.size in sizes],
            line=order.index(each.name),
        )
        for each in versus.entries
    ]
    pairs = [pair for trace in traces for pair in zip(trace.values, trace.spread, strict=True)]
    low, high = min(a - b for a, b in pairs), max(a + b for a, b in pairs)
    limits = max(0.0, math.floor(low / 5) * 5), min(100.0, (high // 5 + 1) * 5)
    return to_svg(
        lines_over_size(traces, label="test accuracy in %", limits=limits, theme=PAGE),
        name=f"accuracy{index}",
        label=f"Line chart: test accuracy over images per class with {versus.table.network}, "
        f"{versus.training}, {len(traces)} lines. The table below holds the numbers.",
    )


def _bytes_chart(runs: Sequence[Entry], order: Sequence[str]) -> str:
    traces = [
        Trace(
            name=each.name,
            line=order.index(each.name),
            sizes=tuple(range(1, len(each.bytes) + 1)),
            values=tuple(count / 1000 for count in each.bytes),
        )
        for each in runs
        if each.bytes and each.name in order
    ]
    if not traces:
        return ""
    return to_svg(
        lines_over_size(traces, label="kB of the tensors", limits=(0, None), theme=PAGE),
        name="bytes",
        label="Line chart: bytes over images per class; at the largest size "
        + ", ".join(f"{each.name} {byte_count(each.bytes[-1])}" for each in runs if each.bytes),
    )


def _time_chart(versus: Versus, order: Sequence[str]) -> str:
    traces = [
        Trace(
            name=each.name,
            line=order.index(each.name),
            sizes=tuple(p.size for p in each.points[versus.key] if p.seconds is not None),
            values=tuple(p.seconds for p in each.points[versus.key] if p.seconds is not None),
        )
        for each in versus.entries
    ]
    if not any(trace.sizes for trace in traces):
        return ""
    return to_svg(
        lines_over_size(traces, label="seconds a network", limits=(0, None), theme=PAGE),
        name="time",
        label="Line chart: seconds to train and test one network over images per class, "
        f"{versus.table.network}, {versus.training}.",
    )


def _printed(entry: Entry, versus: Versus, data: str) -> list[Line]:
    """What is published of a line, if anything at these sizes."""
    own = _known(entry, data)
    sizes = versus.table.sizes
    if own is None or not any(size in own.accuracy for size in sizes):
        return []
    other = next((x for x in versus.entries if x.name == versus.table.reference), None)
    against = None if other is None else _known(other, data)
    cells = printed_cells(own, against, sizes, averaged=versus.averaged)
    return [Line(name=entry.name, cells=cells, source=own.source)]


def _sources(versus: Versus, data: str) -> list[str]:
    """Who printed what stands in a table, each once."""
    lines = [line for each in versus.entries for line in _printed(each, versus, data)]
    return list(dict.fromkeys(line.source for line in lines))


def _known(entry: Entry, data: str) -> Published | None:
    return published(data, entry.method, ipc=entry.ipc) if entry.method else None


def _keys(row: Row, sizes: Sequence[int]) -> tuple[str, ...]:
    """What columns are sorted by; nothing known comes last."""
    means = [row.cells[size].mean if size in row.cells else None for size in sizes]
    last = [None if row.average is None else row.average.mean, row.difference]
    return tuple("" if value is None else repr(value) for value in (*means, *last))


def _parted(cell: str) -> tuple[str, str]:
    mean, _, deviation = cell.partition(PLUS_MINUS)
    return mean, deviation


def _colour(line: int) -> str:
    """The variable of the page that ``Theme.line`` stands for."""
    names: Mapping[int, str] = {0: "ours", 1: "random"}
    index = line % (2 + len(PAGE.more))
    return names.get(index, f"line{index}")
