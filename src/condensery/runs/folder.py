"""Folders of ours, and that of a run: what lies where, when one may be made or replaced.

Knows nothing about what the files say, but for the mark that makes a folder recognisably ours.
Imports no torch: reports are drawn from the files alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from condensery.errors import ArtifactError, ConfigError
from condensery.files import check_space, holds_files, locked

FORMAT = 1
"""Of all folders."""


class PathInside:
    """The path of something in a folder, as an attribute of the folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: MarkedFolder, owner: type) -> Path:
        """The path."""
        return folder.path / self._name


@dataclass(frozen=True, slots=True)
class MarkedFolder:
    """A folder in which a file is written first that says what the folder is, and its format."""

    path: Path
    kind: ClassVar[str]
    facts_name: ClassVar[str]

    @property
    def facts_file(self) -> Path:
        """The file that is written first."""
        return self.path / self.facts_name

    @property
    def mark(self) -> str:
        """The key of that file that says the format."""
        return f"condensery_{self.kind}"

    def begun(self) -> dict[str, Any] | None:
        """What the file says; ``None`` in a new or empty folder, where work can begin.

        Raises:
            ConfigError: If the folder holds other things, or cannot be written.
            ArtifactError: As ``read``.
        """
        check_space(self.path)
        if self.facts_file.exists():
            return self.read()
        if holds_files(self.path, parts_of=self.facts_name):
            raise ConfigError(
                f"--out {self.path}: is a folder that holds other things, and no "
                f"{self.facts_name}. Give another folder."
            )
        return None

    def read(self, otherwise: str = "Give another folder.") -> dict[str, Any]:
        """What the file says.

        Raises:
            ArtifactError: If it is another's, or of another format.
        """
        try:
            facts = json.loads(self.facts_file.read_text(encoding="utf-8"))
            found = facts[self.mark]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{self.facts_file}: is not of a {self.kind} ({error!r}). {otherwise}"
            ) from error
        if found != FORMAT:
            raise ArtifactError(
                f"{self.facts_file}: is of {self.kind} format {found!r}, this library reads "
                f"{FORMAT}. Use the version of condensery that wrote it."
            )
        return facts

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace the file."""
        write_json(self.facts_file, {self.mark: FORMAT, **facts})

    def locked(self, notice: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let only one process work in the folder; arguments and errors as ``files.locked``."""
        return locked(self.path, notice)


@dataclass(frozen=True, slots=True)
class RunFolder(MarkedFolder):
    """Paths of a run."""

    kind = "run"
    facts_name = "recipe.json"

    condensed = PathInside("condensed.safetensors")
    outcome = PathInside("outcome.json")  # how condensing ended; written after the condensed file
    observations = PathInside("observations.jsonl")  # a line for every trained network
    metrics = PathInside("metrics.jsonl")  # a line for every image update
    proxy = PathInside("proxy.jsonl")  # a line for every measure of all sizes on the way
    checkpoints = PathInside("checkpoints")  # states to resume from
    pictures = PathInside("pictures")  # previews over the run
    report = PathInside("report.html")  # for people

    def check_new(self, *, overwrite: bool) -> None:
        """Refuse a place where no run can be made; writes nothing.

        A run that ended before its first update is no obstacle: nothing of it can be lost.

        Raises:
            ConfigError: If there is something already (with ``overwrite``: something other than
                a run), or the folder cannot be written.
        """
        if self._is_taken():
            if not self._is_run():
                what = "a folder that holds other things" if self.path.is_dir() else "a file"
                raise ConfigError(
                    f"--out {self.path}: is {what}, which is never removed. Give another folder."
                )
            if not overwrite and self.has_progress():
                raise ConfigError(
                    f"--out {self.path}: holds a run already. `condensery resume {self.path}` goes "
                    "on with it; --overwrite removes it and starts anew; or give another folder."
                )
        check_space(self.path)

    def has_progress(self) -> bool:
        """Whether the run has done anything that would be lost with its folder.

        An image update and a network of the evaluation count; the recipe, and the picture of the
        images before the first update, do not.
        """
        lines = (self.metrics, self.observations, self.proxy)
        return (
            self.condensed.exists()
            or self.outcome.exists()
            or any(has_line(path) for path in lines)
            or any(self.checkpoints.rglob("*.safetensors"))
        )

    @contextmanager
    def anew(
        self, facts: Mapping[str, Any], *, overwrite: bool, notice: Callable[[str], None]
    ) -> Generator[None]:
        """Make the folder anew, ``recipe.json`` first, and hold its lock.

        The run that was there is removed.

        Raises:
            ConfigError: As ``check_new``, and if another process works in the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self.locked(notice):
            self.check_new(overwrite=overwrite)  # again: since then another process may have begun
            if self._is_run():
                if not self.has_progress():
                    notice(
                        f"{self.path}: an earlier start in this folder ended before its first "
                        "update. The run begins anew."
                    )
                self._remove_run()
            self.write_facts(facts)
            yield

    def facts(self) -> dict[str, Any]:
        """What ``recipe.json`` says.

        Raises:
            ArtifactError: If this is no run folder, or one of a newer format.
        """
        if not self.path.is_dir():
            raise ArtifactError(
                f"{self.path}: there is no such folder. Give the --out of a `condensery condense`."
            )
        if not self.facts_file.exists():
            raise ArtifactError(
                f"{self.path}: holds no recipe.json, so it is no run folder, or one that was "
                "stopped before it began. Give the --out of a `condensery condense`, or begin anew."
            )
        return self.read(otherwise="Condense anew.")

    def _is_taken(self) -> bool:
        """Whether there is more than a start leaves that was killed before ``recipe.json``."""
        if not self.path.is_dir():
            return self.path.exists()
        return holds_files(self.path, parts_of=self.facts_name)

    def _is_run(self) -> bool:
        if not self.path.is_dir():
            return False
        try:
            return self.mark in json.loads(self.facts_file.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return False

    def _remove_run(self) -> None:
        """Remove what a run writes, ``recipe.json`` last; other things are left alone."""
        for folder in (self.checkpoints, self.pictures):
            if folder.is_dir():
                shutil.rmtree(folder)
        results = (self.condensed, self.outcome, self.report)
        for file in (*results, self.observations, self.metrics, self.proxy):
            file.unlink(missing_ok=True)
        for part in self.path.glob(".*.part"):
            part.unlink(missing_ok=True)
        self.facts_file.unlink(missing_ok=True)


def has_line(path: Path) -> bool:
    """Whether a file of lines holds a whole one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all.

    Names of files that are not UTF-8 hold lone surrogates, which UTF-8 cannot encode; they are
    written as JSON escapes, which read back to the same name.
    """
    from condensery.checkpoint import write_atomically

    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode("utf-8", "backslashreplace"))
