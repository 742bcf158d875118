"""Files of JSON lines, such as ``metrics.jsonl``, which a resumed run cuts at its checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensery.errors import ArtifactError


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All complete lines; none if there is no file.

    Raises:
        ArtifactError: If a line is damaged; names the line.
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
        lines: Number of complete lines.
    """

    def __init__(self, path: Path, *, keep: int) -> None:
        """Open the file with its first ``keep`` lines; later and incomplete lines are removed."""
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
        """Append a line; other processes can read it when the method returns."""
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        self.lines += 1

    def sync(self) -> None:
        """Write all lines to the disk, before a checkpoint that needs them."""
        os.fsync(self._file.fileno())
