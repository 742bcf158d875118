"""Tables in files of text, CSV, TSV and JSON lines, as columns of text.

Knows nothing about what the columns mean.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from condensery.data.readers.folders.walk import readable

__all__ = ["ENDINGS", "Table", "read_table"]

ENDINGS = (".csv", ".tsv", ".jsonl")
"""Endings of the files that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text.

    Attributes:
        path: Its file.
        columns: The values of each column, by the name of the column.
    """

    path: Path
    columns: Mapping[str, Sequence[str]]


def read_table(path: Path) -> Table | str:
    """Read a table, or say in a sentence why it cannot be read."""
    shown = readable(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"The table {shown!r} cannot be read ({error.strerror})."
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if wide else "utf-8-sig"
    text = content.decode(encoding, errors="replace" if wide else "surrogateescape")
    try:
        rows = _json_rows(text) if path.suffix.lower() == ".jsonl" else _csv_rows(text)
    except (ValueError, csv.Error) as error:
        return f"The table {shown!r} cannot be read ({error})."
    if len(rows) < 2:
        return f"The table {shown!r} has no rows."
    header = [column.strip() for column in rows[0]]
    if len(set(header)) < len(header):
        return f"The table {shown!r} has two columns of one name: {', '.join(map(repr, header))}."
    if any(PurePosixPath(name).suffix.lower() in (".png", ".jpg", ".jpeg") for name in header):
        return (
            f"The table {shown!r} has no line that names its columns. Write 'file_name,label' "
            "above the first row."
        )
    odd = next((i for i, row in enumerate(rows[1:], 2) if len(row) != len(header)), None)
    if odd is not None:
        return (
            f"Line {odd} of the table {shown!r} has {len(rows[odd - 1])} values, but the first "
            f"line names {len(header)} columns."
        )
    columns = {column: [row[i] for row in rows[1:]] for i, column in enumerate(header)}
    return Table(path=path, columns=columns)


def _csv_rows(text: str) -> list[list[str]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


def _json_rows(text: str) -> list[list[str]]:
    held = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in held):
        raise ValueError("a line is no object with the names of columns")
    header = list(dict.fromkeys(column for row in held for column in row))
    return [header, *([_text(row.get(column)) for column in header] for row in held)]


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
