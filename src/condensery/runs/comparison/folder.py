"""What lies where in the folder of a comparison, and whether a comparison can be made there.

Imports no torch: reports are drawn from the files alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensery.errors import ArtifactError, ConfigError
from condensery.files import check_room, holds_files, locked
from condensery.runs.folder import has_line, write_json

if TYPE_CHECKING:
    from condensery.runs.comparison.sets import PlannedRun, PlannedSet

FORMAT = 1
"""Of comparison folders."""

MARK = "condensery_comparison"
"""The key of ``comparison.json`` that says the format."""


@dataclass(frozen=True, slots=True)
class ComparisonFolder:
    """Paths of a comparison."""

    path: Path

    @property
    def plan(self) -> Path:
        """Everything that decides the result, written first."""
        return self.path / "comparison.json"

    @property
    def costs(self) -> Path:
        """What every finished batch took."""
        return self.path / "costs.json"

    @property
    def content(self) -> Path:
        """All that the tables are made of."""
        return self.path / "content.json"

    @property
    def observations(self) -> Path:
        """One line a trained network."""
        return self.path / "observations.jsonl"

    @property
    def numbers(self) -> Path:
        """The table for programs; ``.md`` and ``.html`` lie beside it."""
        return self.path / "table.csv"

    def set_file(self, name: str, seed: int | str) -> Path:
        """The condensed file of a set, by its name."""
        return self.path / "sets" / f"{name}-seed{seed}.safetensors"

    def set(self, planned: PlannedSet, seed: int) -> Path:
        """The condensed file of a set."""
        return self.set_file(planned.file, seed)

    def run(self, run: PlannedRun, seed: int) -> Path:
        """The condensed file of one run."""
        return self.path / "runs" / f"{run.name}-seed{seed}.safetensors"

    def checkpoints(self, run: PlannedRun, seed: int) -> Path:
        """States of the unfinished batch whose first run this is."""
        return self.path / "checkpoints" / f"{run.name}-seed{seed}"

    def facts(self) -> dict[str, Any] | None:
        """What ``comparison.json`` says, or ``None`` where a comparison can be begun.

        A comparison that ended before it had anything is begun anew, also with other options.

        Raises:
            ConfigError: If there is something else, or nothing can be written.
            ArtifactError: If it is of a newer format.
        """
        check_room(self.path)
        if not self.plan.exists():
            if holds_files(self.path, parts_of=self.plan.name):
                raise ConfigError(
                    f"--out {self.path}: is a folder that holds other things, and no "
                    f"{self.plan.name}. Give another folder."
                )
            return None
        try:
            facts = json.loads(self.plan.read_text(encoding="utf-8"))
            version = facts[MARK]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{self.plan}: is not a comparison ({error!r}). Give another folder."
            ) from error
        if version != FORMAT:
            raise ArtifactError(
                f"{self.plan}: is of comparison format {version!r}, this library reads {FORMAT}. "
                "Use the version of condensery that wrote it."
            )
        return facts if self.has_progress() else None

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace ``comparison.json``, and make the folders beside it."""
        write_json(self.plan, {MARK: FORMAT, **facts})
        for name in ("runs", "sets", "checkpoints"):
            (self.path / name).mkdir(exist_ok=True)

    def has_progress(self) -> bool:
        """Whether there is a set, a state to go on from, or a trained network."""
        folders = (self.path / name for name in ("runs", "sets", "checkpoints"))
        return has_line(self.observations) or any(
            folder.is_dir() and any(folder.rglob("*.safetensors")) for folder in folders
        )

    def locked(self, notice: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let only one process work in the folder; arguments and errors as ``files.locked``."""
        return locked(self.path, notice)

    def costs_of_batches(self) -> list[Mapping[str, Any]]:
        """What ``costs.json`` says; empty if no batch is finished."""
        if not self.costs.exists():
            return []
        return json.loads(self.costs.read_text(encoding="utf-8"))["groups"]
