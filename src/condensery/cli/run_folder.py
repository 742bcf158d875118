"""The folder of a run: what lies where, when one may be made, and when one may be replaced.

Knows nothing about what the files say, but for the mark in ``recipe.json`` that makes a folder
recognisably ours.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condensery.cli.files import LOCK, check_room, locked
from condensery.errors import ArtifactError, ConfigError

__all__ = ["FORMAT", "RunFolder", "write_json"]

FORMAT = 1
"""Of run folders."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of a run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """Everything that decides the result, written first."""
        return self.path / "recipe.json"

    @property
    def condensed(self) -> Path:
        """The condensed file."""
        return self.path / "condensed.safetensors"

    @property
    def outcome(self) -> Path:
        """How condensing ended; written after the condensed file."""
        return self.path / "outcome.json"

    @property
    def observations(self) -> Path:
        """One line a trained network."""
        return self.path / "observations.jsonl"

    @property
    def metrics(self) -> Path:
        """One line an image update."""
        return self.path / "metrics.jsonl"

    @property
    def proxy(self) -> Path:
        """One line a measure of all sizes on the way."""
        return self.path / "proxy.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States to resume from."""
        return self.path / "checkpoints"

    @property
    def experts(self) -> Path:
        """Trajectories of the experts that the run draws from, where its recipe names no folder."""
        return self.path / "experts"

    @property
    def pictures(self) -> Path:
        """Previews over the run."""
        return self.path / "pictures"

    @property
    def report(self) -> Path:
        """For people."""
        return self.path / "report.html"

    def check_new(self, *, overwrite: bool) -> None:
        """Refuse a place where no run can be made; writes nothing.

        Raises:
            ConfigError: If there is something already (with ``overwrite``: something other than
                a run), or the folder cannot be written.
        """
        if self._is_taken():
            known = self._is_run()
            if not known:
                what = "a folder that holds other things" if self.path.is_dir() else "a file"
                raise ConfigError(
                    f"--out {self.path}: is {what}, which is never removed. Give another folder."
                )
            if not overwrite:
                raise ConfigError(
                    f"--out {self.path}: holds a run already. `condensery resume {self.path}` goes "
                    "on with it; --overwrite removes it and starts anew; or give another folder."
                )
        check_room(self.path)

    def make(self, facts: Mapping[str, Any]) -> None:
        """Make the folder anew, ``recipe.json`` first; removes the run that was there."""
        if self._is_taken():
            self._remove_run()
        self.path.mkdir(parents=True, exist_ok=True)
        self.write_facts(facts)

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace ``recipe.json``."""
        write_json(self.recipe, {"condensery_run": FORMAT, **facts})

    def facts(self) -> dict[str, Any]:
        """What ``recipe.json`` says.

        Raises:
            ArtifactError: If this is no run folder, or one of a newer format.
        """
        if not self.path.is_dir():
            raise ArtifactError(
                f"{self.path}: there is no such folder. Give the --out of a `condensery condense`."
            )
        try:
            facts = json.loads(self.recipe.read_text(encoding="utf-8"))
            found = facts["condensery_run"]
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{self.path}: holds no recipe.json, so it is no run folder, or one that was "
                "stopped before it began. Give the --out of a `condensery condense`, or begin anew."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{self.recipe}: is not a run's recipe ({error!r}). Condense anew."
            ) from error
        if found != FORMAT:
            raise ArtifactError(
                f"{self.recipe}: is of run format {found!r}, this library reads {FORMAT}. "
                "Use the version of condensery that wrote it."
            )
        return facts

    def locked(self) -> AbstractContextManager[None]:
        """Let only one process work in the folder (``files.locked``)."""
        return locked(self.path)

    def _is_taken(self) -> bool:
        """Whether there is something other than what a run leaves that was killed at its birth."""
        if not self.path.is_dir():
            return self.path.exists()
        born = (LOCK, f".{self.recipe.name}.")
        return any(not entry.name.startswith(born) for entry in self.path.iterdir())

    def _is_run(self) -> bool:
        if not self.path.is_dir():
            return False
        try:
            return "condensery_run" in json.loads(self.recipe.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return False

    def _remove_run(self) -> None:
        """Remove what a run writes, ``recipe.json`` last; other things are left alone."""
        with self.locked():
            for folder in (self.checkpoints, self.pictures, self.experts):
                if folder.is_dir():
                    shutil.rmtree(folder)
            results = (self.condensed, self.outcome, self.report)
            for file in (*results, self.observations, self.metrics, self.proxy):
                file.unlink(missing_ok=True)
            for part in self.path.glob(".*.part"):
                part.unlink(missing_ok=True)
            self.recipe.unlink(missing_ok=True)
        (self.path / LOCK).unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    from condensery.checkpoint import write_atomically

    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
