"""The folder of a reproduced table: one comparison for each data set, and the tables of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from condensery.errors import ConfigError
from condensery.runs.folder import MarkedFolder


@dataclass(frozen=True, slots=True)
class TableFolder(MarkedFolder):
    """Paths of a reproduced table."""

    kind = "table"
    facts_name = "paper-table.json"

    def comparison(self, data: str) -> Path:
        """The folder of the comparison of a data set."""
        return self.path / data

    def check(self, *, name: str, budget: str) -> None:
        """Refuse a folder in which this table cannot be made with this preset; writes nothing.

        Raises:
            ConfigError: If it contains other files or another table, or cannot be written.
            ArtifactError: If it has a newer format.
        """
        facts = self.begun() or {}
        for key, now in (("table", name), ("budget", budget)):
            if facts and facts.get(key) != now and any(self.path.glob("*/comparison.json")):
                raise ConfigError(
                    f"--out {self.path}: holds a table with {key} = {facts.get(key)!r}, but now "
                    f"{key} is {now!r}. Give another folder."
                )

    def begin(self, *, name: str, budget: str) -> None:
        """Write the mark if it is missing or of another table, while the folder is locked."""
        wanted = {"table": name, "budget": budget}
        facts = self.begun() or {}
        if {key: facts.get(key) for key in wanted} != wanted:
            self.write_facts(wanted)
