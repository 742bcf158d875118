"""The table as Markdown, for people, and as CSV, for programs.

Imports no torch.
"""

from __future__ import annotations

import csv
import io

from condensery.averages import Average
from condensery.formatting import markdown_table
from condensery.report.table import Table
from condensery.runs.comparison.content import Content

__all__ = ["csv_text", "markdown"]

_COLUMNS = (
    *("network", "contender", "kind", "size", "accuracy"),
    *("std", "over", "count", "difference", "source"),
)
_HEAD = ("images per class", "Avg.", "Diff.", "runs", "stored")


def markdown(content: Content) -> str:
    """The whole comparison: tables with notes, costs, conditions."""
    parts = [f"# {content.title}"]
    for table in content.tables:
        parts.append(f"## Tested with {table.network}\n\n{_table(content, table)}")
        parts.append("\n".join(f"* {note}" for note in content.notes(table)))
    if content.costs:
        lines: list[str] = []
        for seed, time, many, which in content.cost_lines():
            sets = "set" if many == "1" else "sets in one batch"
            lines.append(f"* seed {seed}: {time} for {many} {sets}: {which}")
        costs = "\n".join(lines)
        parts.append(f"## Cost of condensing\n\n{costs}")
    conditions = "\n".join(f"* {word}: {value}" for word, value in content.conditions)
    return "\n\n".join([*parts, f"## Conditions\n\n{conditions}"]) + "\n"


def _table(content: Content, table: Table) -> str:
    first, *last = _HEAD
    rows = [(first, *map(str, table.sizes), *last)]
    sources: list[str] = []
    for line in content.lines(table):
        name = line.name
        if line.source:
            if line.source not in sources:
                sources.append(line.source)
            name = f"{name}, published, full protocol [{sources.index(line.source) + 1}]"
        rows.append((name, *line.cells, line.runs, line.stored))
    texts = [markdown_table(rows)]
    texts += [f"[{number}] {source}" for number, source in enumerate(sources, start=1)]
    return "\n\n".join(texts)


def csv_text(content: Content) -> str:
    """One record a contender and size (``average`` last): fractions of 1, full precision.

    ``kind`` is measured or published, ``over`` is what ``std`` and ``count`` are over,
    ``difference`` that of averages to C.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for table in content.tables:
        for row in table.rows:
            cells: list[tuple[object, Average | None]] = [
                *((size, row.cells.get(size)) for size in table.sizes),
                ("average", row.average),
            ]
            own = {"network": table.network, "contender": row.name}
            for size, cell in cells:
                if cell is not None:
                    writer.writerow(
                        {
                            **own,
                            "kind": "measured",
                            "size": size,
                            "accuracy": repr(cell.mean),
                            "std": _number(cell.std),
                            "over": table.over,
                            "count": cell.count,
                            "difference": _number(row.difference if size == "average" else None),
                        }
                    )
            other = content.published.get(row.name)
            for size in table.sizes:
                if other is not None and size in other.accuracy:
                    accuracy = repr(round(other.accuracy[size] / 100, 6))
                    told = {"size": size, "accuracy": accuracy, "source": other.source}
                    writer.writerow({**own, "kind": "published", **told})
    return buffer.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
