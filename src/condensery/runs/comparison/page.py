"""``table.html``: the comparison as one file that stands alone, in light and dark.

Imports no torch. A policy in its head forbids the page to fetch anything.
"""

from __future__ import annotations

from importlib.resources import files

from condensery.formatting import PLUS_MINUS, duration
from condensery.report.table import Row, Table
from condensery.runs.comparison.content import Content
from condensery.runs.comparison.figure import figure, sample

__all__ = ["best", "filled", "keys", "render"]


def render(content: Content) -> str:
    """The text of the page; the same content gives the same text."""
    return filled(
        "comparison/template.html.j2",
        content=content,
        tables=[_shown(content, table) for table in content.tables],
        costs=content.cost_lines(),
        evaluation=duration(content.evaluation_seconds) if content.evaluation_seconds else "",
    )


def filled(name: str, **values: object) -> str:
    """A template with the style and the script of comparisons, filled in."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    own = files("condensery.runs")
    source, style, script = (
        own.joinpath(each).read_text("utf-8")
        for each in (name, "comparison/style.css", "comparison/sorting.js")
    )
    return environment.from_string(source).render(**values, style=style, script=script)


def _shown(content: Content, table: Table) -> dict[str, object]:
    """A table's lines by contender: what is published moves with what was measured."""
    lines = content.lines(table)
    measured = {line.name: line for line in lines if not line.source}
    rows = [
        {
            "name": row.name,
            "measured": measured[row.name],
            "cells": [cell.partition(PLUS_MINUS)[::2] for cell in measured[row.name].cells],
            "published": [x for x in lines if x.name == row.name and x.source],
            "sample": sample(index),
            "keys": keys(content, table, row),
            "best": row.average is not None and row.average.mean == best(table),
        }
        for index, row in enumerate(table.rows)
    ]
    return {
        "network": table.network,
        "sizes": table.sizes,
        "rows": rows,
        "notes": content.notes(table),
        "figure": figure(table),
    }


def keys(content: Content, table: Table, row: Row) -> list[str]:
    """What the columns are sorted by."""
    return [
        *(_key(row.cells[n].mean if n in row.cells else None) for n in table.sizes),
        _key(None if row.average is None else row.average.mean),
        _key(row.difference),
        str(content.made[row.name].runs),
        str(content.made[row.name].stored),
    ]


def _key(value: float | None) -> str:
    """What a column is sorted by; nothing known comes last."""
    return "" if value is None else repr(value)


def best(table: Table) -> float | None:
    """The highest average."""
    known = [row.average.mean for row in table.rows if row.average is not None]
    return max(known, default=None)
