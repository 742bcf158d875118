"""The files in the folder of a comparison, and the check whether one can be made there.

Imports no torch, because reports need only the files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensery.runs.folder import MarkedFolder, PathInside, has_line

if TYPE_CHECKING:
    from condensery.runs.comparison.sets import PlannedRun, PlannedSet


@dataclass(frozen=True, slots=True)
class ComparisonFolder(MarkedFolder):
    """Paths of a comparison."""

    kind = "comparison"
    facts_name = "comparison.json"

    costs = PathInside("costs.json")  # what every finished batch took
    content = PathInside("content.json")  # all that the tables are made of
    observations = PathInside("observations.jsonl")  # a line for every trained network

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
        """The folder of checkpoints of the unfinished batch with this first run."""
        return self.path / "checkpoints" / f"{run.name}-seed{seed}"

    def facts(self) -> dict[str, Any] | None:
        """The content of ``comparison.json``, or ``None`` if a comparison can start there.

        A comparison without any result starts again, also with other options.

        Raises:
            ConfigError, ArtifactError: As ``begun``.
        """
        facts = self.begun()
        return facts if facts is not None and self.has_progress() else None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write ``comparison.json``, and create the folders next to it."""
        self.write_facts(facts)
        for name in ("runs", "sets", "checkpoints"):
            (self.path / name).mkdir(exist_ok=True)

    def has_progress(self) -> bool:
        """Whether there is a set, a checkpoint, or a trained network."""
        folders = (self.path / name for name in ("runs", "sets", "checkpoints"))
        return has_line(self.observations) or any(
            folder.is_dir() and any(folder.rglob("*.safetensors")) for folder in folders
        )

    def costs_of_batches(self) -> list[Mapping[str, Any]]:
        """The content of ``costs.json``; empty if no batch is finished."""
        if not self.costs.exists():
            return []
        return json.loads(self.costs.read_text(encoding="utf-8"))["groups"]
