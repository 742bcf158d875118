"""Files of JSON lines, such as ``metrics.jsonl``: cut back to a checkpoint when a run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensery.errors import ArtifactError


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; none if there is no file.

    Raises:
        ArtifactError: If one of them is damaged; it is named.
    """
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(whole, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ArtifactError(
                f"{path}, line {number} is no JSON object: {line[:80]!r}. Remove the line to go "
                "on without it."
            )
        records.append(record)
    return records


class LineFile:
    """The open file.

    Attributes:
        lines: Whole lines it holds.
    """

    def __init__(self, path: Path, *, keep: int) -> None:
        """Open it with its first ``keep`` lines; later ones, and a torn one, are dropped."""
        from condensery.checkpoint import write_atomically  # takes torch, reading does not

        whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        lines = whole[:keep]
        write_atomically(path, b"".join(line + b"\n" for line in lines))
        self.lines = len(lines)
        self._file = path.open("ab")

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a line; others can read it when this returns."""
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        self.lines += 1

    def sync(self) -> None:
        """Bring all lines to the disk, before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())
