"""The folder of a paper's table: one comparison a data set, and the tables of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from condensery.errors import ArtifactError, ConfigError
from condensery.files import check_room, holds_files, locked
from condensery.runs.folder import write_json

FORMAT = 1
"""Of folders of paper tables."""

MARK = "condensery_table"
"""The key of ``paper-table.json`` that says the format."""


@dataclass(frozen=True, slots=True)
class TableFolder:
    """Paths of a paper's table."""

    path: Path

    @property
    def mark(self) -> Path:
        """Which table it is; written first, so that no folder of other files is written to."""
        return self.path / "paper-table.json"

    def comparison(self, data: str) -> Path:
        """The folder of one data set's comparison."""
        return self.path / data

    def check(self, *, name: str, budget: str) -> None:
        """Refuse a folder in which this table cannot be made; writes nothing.

        Args:
            name: Of the table.
            budget: Preset that it is made with.

        Raises:
            ConfigError: If it holds other things or another table, or cannot be written.
            ArtifactError: If it is of a newer format.
        """
        check_room(self.path)
        if not self.mark.exists():
            if holds_files(self.path, parts_of=self.mark.name):
                raise ConfigError(
                    f"--out {self.path}: is a folder that holds other things, and no "
                    f"{self.mark.name}. Give another folder."
                )
            return
        try:
            facts = json.loads(self.mark.read_text(encoding="utf-8"))
            version = facts[MARK]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{self.mark}: is not of a paper's table ({error!r}). Give another folder."
            ) from error
        if version != FORMAT:
            raise ArtifactError(
                f"{self.mark}: is of table format {version!r}, this library reads {FORMAT}. Use "
                "the version of condensery that wrote it."
            )
        for key, now in (("table", name), ("budget", budget)):
            if facts.get(key) != now and any(self.path.glob("*/comparison.json")):
                raise ConfigError(
                    f"--out {self.path}: holds a table with {key} = {facts.get(key)!r}, but now "
                    f"{key} is {now!r}. Give another folder."
                )

    def begin(self, *, name: str, budget: str) -> None:
        """Write the mark, where it is missing or of another table, while the lock is held."""
        facts = {MARK: FORMAT, "table": name, "budget": budget}
        if not self.mark.exists() or json.loads(self.mark.read_text(encoding="utf-8")) != facts:
            write_json(self.mark, facts)

    def locked(self, notice: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let only one process work in the folder; arguments and errors as ``files.locked``."""
        return locked(self.path, notice)
