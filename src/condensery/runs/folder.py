"""The folders of the library, such as that of a run: their files, and when they can be replaced.

Knows nothing about the content of files, except the mark by which a folder is recognised. Imports
no torch, because reports need only the files.
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
"""The format of all folders."""


class PathInside:
    """The path of a file in a folder, as an attribute of the folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: MarkedFolder, owner: type) -> Path:
        """The path."""
        return folder.path / self._name


@dataclass(frozen=True, slots=True)
class MarkedFolder:
    """A folder whose first file says the kind and the format of the folder."""

    path: Path
    kind: ClassVar[str]
    facts_name: ClassVar[str]

    @property
    def facts_file(self) -> Path:
        """The file that is written first."""
        return self.path / self.facts_name

    @property
    def mark(self) -> str:
        """The key of the format in this file."""
        return f"condensery_{self.kind}"

    def begun(self) -> dict[str, Any] | None:
        """The content of the file; ``None`` in a new or empty folder, in which work can start.

        Raises:
            ConfigError: If the folder contains other files, or cannot be written.
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
        """The content of the file.

        Raises:
            ArtifactError: If the folder is of another kind or format.
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
    nearest = PathInside(
        "nearest.json"
    )  # real images that are nearest to those of the set, for the report
    report = PathInside("report.html")  # for people

    def check_new(self, *, overwrite: bool) -> None:
        """Refuse a path at which no run can be created; writes nothing.

        A run that ended before its first update can be replaced, because it has no results.

        Raises:
            ConfigError: If the folder contains files (with ``overwrite``: something other than a
                run), or cannot be written.
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
        """Whether the run has results that would be lost with its folder.

        Results are image updates and networks of the evaluation, but not the recipe and the picture
        of the images before the first update.
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
        """Create the folder, ``recipe.json`` first, and lock it.

        An existing run is removed.

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
        """The content of ``recipe.json``.

        Raises:
            ArtifactError: If this is not a run folder, or has a newer format.
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
        """Whether there are other files than those of a start that ended before ``recipe.json``."""
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
        """Remove the files of a run, ``recipe.json`` last; other files are not removed."""
        for folder in (self.checkpoints, self.pictures):
            if folder.is_dir():
                shutil.rmtree(folder)
        results = (self.condensed, self.outcome, self.report, self.nearest)
        for file in (*results, self.observations, self.metrics, self.proxy):
            file.unlink(missing_ok=True)
        for part in self.path.glob(".*.part"):
            part.unlink(missing_ok=True)
        self.facts_file.unlink(missing_ok=True)


def has_line(path: Path) -> bool:
    """Whether a file of lines contains a complete line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file atomically.

    Names of files that are not UTF-8 contain lone surrogates, which UTF-8 cannot encode. They are
    written as JSON escapes, from which the same name is read.
    """
    from condensery.checkpoint import write_atomically

    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode("utf-8", "backslashreplace"))
