"""A paper's table as Markdown, for people, and as CSV, for programs.

Imports no torch.
"""

from __future__ import annotations

import csv
import io

from condensery.averages import Average
from condensery.formatting import markdown_table
from condensery.report.table import Table
from condensery.runs.tables.reproduction import Entry, Reproduction, Shown

__all__ = ["reproduction_csv", "reproduction_markdown"]

_COLUMNS = (
    *("data", "network", "contender", "size", "accuracy", "std", "over", "count"),
    *("difference", "published", "source"),
)


def reproduction_markdown(found: Reproduction) -> str:
    """Tables with what is said of them, data set by data set."""
    parts = [f"# {found.title}", found.lead]
    for data, content in found.parts.items():
        for table in content.tables:
            parts.append(f"## {data}, tested with {table.network}")
            parts.append(_grid(found.entries(content, table), table))
            parts.append(f"*{found.caption(content)}*")
            verdicts = found.verdicts(content, table)
            if verdicts:
                parts.append(f"**Does it agree with the paper?**\n\n{_list(verdicts)}")
            parts.append(_list(found.notes(content, table)))
    if found.missing:
        told = [f"{data}: {how}" for data, how in found.missing.items()]
        parts.append(f"## Not here\n\n{_list(told)}")
    return "\n\n".join(parts) + "\n"


def _grid(entries: list[Entry], table: Table) -> str:
    head = ("images per class", *map(str, table.sizes), "Avg.", "Diff.", "runs", "stored")
    rows = [(x.name, *map(_cell, x.cells), x.runs, x.stored) for x in entries]
    return markdown_table([head, *rows])


def _cell(shown: Shown) -> str:
    spread = f" ± {shown.spread}" if shown.spread else ""
    theirs = f" [{shown.theirs}]" if shown.theirs else ""
    return f"{shown.ours}{spread}{theirs}"


def _list(lines: list[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def reproduction_csv(found: Reproduction) -> str:
    """One record a data set, network, contender and size (``average`` last).

    ``accuracy``, ``std``, ``difference`` (of averages, to C) and ``published`` are fractions of 1;
    ``over`` is what ``std`` and ``count`` are over.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for data, content in found.parts.items():
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
                            "contender": row.name,
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
