"""``table.html``: the comparison as one file that stands alone, in light and dark.

Imports no torch. A policy in its head forbids the page to fetch anything.
"""

from __future__ import annotations

from importlib.resources import files

from condensery.comparison.content import SPREAD, Content
from condensery.comparison.figure import figure, sample
from condensery.report.facts import duration
from condensery.report.table import Table

__all__ = ["render"]


def render(content: Content) -> str:
    """The text of the page; the same content gives the same text."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    source = files("condensery.comparison").joinpath("template.html.j2").read_text("utf-8")
    return environment.from_string(source).render(
        content=content,
        tables=[_shown(content, table) for table in content.tables],
        costs=content.cost_lines(),
        evaluation=duration(content.evaluation_seconds) if content.evaluation_seconds else "",
    )


def _shown(content: Content, table: Table) -> dict[str, object]:
    """A table's lines by contender: what is published moves with what was measured."""
    lines = content.lines(table)
    measured = {line.name: line for line in lines if not line.source}
    rows = [
        {
            "name": row.name,
            "measured": measured[row.name],
            "cells": [cell.partition(SPREAD)[::2] for cell in measured[row.name].cells],
            "published": [x for x in lines if x.name == row.name and x.source],
            "sample": sample(index),
            "keys": [
                *(_key(row.cells[n].mean if n in row.cells else None) for n in table.sizes),
                _key(None if row.average is None else row.average.mean),
                _key(row.difference),
                str(content.made[row.name].runs),
                str(content.made[row.name].stored),
            ],
            "best": row.average is not None and row.average.mean == _best(table),
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


def _key(value: float | None) -> str:
    """What a column is sorted by; nothing known comes last."""
    return "" if value is None else repr(value)


def _best(table: Table) -> float | None:
    known = [row.average.mean for row in table.rows if row.average is not None]
    return max(known, default=None)
