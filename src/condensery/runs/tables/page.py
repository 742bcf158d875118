"""A paper's table as one page that stands alone; ``page`` has its style.

Imports no torch.
"""

from __future__ import annotations

from condensery.report.table import Table
from condensery.runs.comparison.content import Content
from condensery.runs.comparison.figure import figure, sample
from condensery.runs.comparison.page import best, filled, keys
from condensery.runs.tables.reproduction import Reproduction

__all__ = ["reproduction_page"]


def reproduction_page(found: Reproduction) -> str:
    """The text of the page; the same tables give the same text."""
    return filled(
        "tables/reproduction.html.j2",
        found=found,
        parts=[
            _part(found, data, content, table)
            for data, content in found.parts.items()
            for table in content.tables
        ],
    )


def _part(found: Reproduction, data: str, content: Content, table: Table) -> dict[str, object]:
    entries = found.entries(content, table)
    return {
        "data": data,
        "network": table.network,
        "unfinished": content.unfinished,
        "figure": figure(table),
        "sizes": table.sizes,
        "caption": found.caption(content),
        "rows": [
            {
                "name": entry.name,
                "cells": entry.cells,
                "runs": entry.runs,
                "stored": entry.stored,
                "keys": keys(content, table, row),
                "sample": sample(index),
                "best": row.average is not None and row.average.mean == best(table),
            }
            for index, (row, entry) in enumerate(zip(table.rows, entries, strict=True))
        ],
        "verdicts": found.verdicts(content, table),
        "notes": found.notes(content, table),
    }
