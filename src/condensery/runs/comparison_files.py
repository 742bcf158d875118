"""What lies where in the folder of a comparison, known without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FORMAT", "MARK", "ComparisonFiles"]

FORMAT = 1
"""Of comparison folders."""

MARK = "condensery_comparison"
"""The key of ``comparison.json`` that says the format."""


@dataclass(frozen=True, slots=True)
class ComparisonFiles:
    """Paths of a comparison."""

    path: Path

    @property
    def plan(self) -> Path:
        """Everything that decides the result, written first."""
        return self.path / "comparison.json"

    @property
    def costs(self) -> Path:
        """What every finished group took."""
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
        """The condensed file of a contender."""
        return self.path / "sets" / f"{name}-seed{seed}.safetensors"
