"""Condensed files on the Hugging Face Hub: the word ``hf://USER/NAME``, and its download.

Needs the package huggingface_hub (extra ``hub``), which is imported only for a download. It keeps
what it downloads in its own cache, and uses the token of its own log-in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from condensery.errors import ArtifactError, ConfigError

FILE = "condensed.safetensors"
"""Name of the condensed file in a data set of the Hub."""

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_WORD = re.compile(
    rf"hf:/+(?:datasets/)?(?P<repository>{_PART}/{_PART})(?:@(?P<revision>[^/@]+))?"
    r"(?:/(?P<file>[^@]+))?"
)
_FORM = "hf://USER/NAME, and if needed with a revision and a file: hf://USER/NAME@main/FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file in a data set of the Hub.

    Attributes:
        repository: ``"USER/NAME"``.
        revision: A branch, a tag or a commit; ``None`` is the main branch.
        file: Path of the file in the data set.
    """

    repository: str
    revision: str | None = None
    file: str = FILE

    @classmethod
    def of(cls, word: str | Path) -> HubFile:
        """Read ``hf://USER/NAME[@REVISION][/FILE]``.

        Raises:
            ConfigError: If it has another form.
        """
        match = _WORD.fullmatch(_text(word))
        if match is None:
            raise ConfigError(f"{_shown(word)}: is no file of the Hub. The form is {_FORM}.")
        revision = match["revision"]
        return cls(
            repository=match["repository"],
            revision=None if revision is None else revision.replace("%2F", "/"),
            file=match["file"] or FILE,
        )

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"hf://{self.repository}{revision}" + ("" if self.file == FILE else f"/{self.file}")

    def download(self) -> Path:
        """Download the file, unless its current version is in the cache of huggingface_hub.

        Raises:
            ConfigError: If huggingface_hub is not installed.
            ArtifactError: If the data set or the file is absent, or cannot be fetched.
        """
        package = hub_package(f"{self}: reading from the Hub")
        with self._explained():
            path = package.hf_hub_download(
                self.repository, self.file, repo_type="dataset", revision=self.revision
            )
        return Path(path)

    def reader(self) -> Callable[[int, int], bytes]:
        """A function that fetches the bytes from a position of the file up to another one.

        All of them are of one commit, also if another one is pushed meanwhile. Errors of this
        method and of the function are those of ``download``.
        """
        package = hub_package(f"{self}: reading from the Hub")
        utils = import_module("huggingface_hub.utils")
        with self._explained():
            facts = package.HfApi().dataset_info(self.repository, revision=self.revision)
        address = package.hf_hub_url(
            self.repository, self.file, repo_type="dataset", revision=facts.sha
        )

        def read(begin: int, end: int) -> bytes:
            headers = {**utils.build_hf_headers(), "Range": f"bytes={begin}-{end - 1}"}
            with self._explained():
                answer = utils.get_session().get(address, headers=headers, timeout=60)
                utils.hf_raise_for_status(answer)
            content: bytes = answer.content
            return content if answer.status_code == 206 else content[begin:end]  # 206: a part

        return read

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Errors of huggingface_hub as ours."""
        errors = import_module("huggingface_hub.errors")
        try:
            yield
        except errors.GatedRepoError as error:
            raise ArtifactError(
                f"{self}: is a gated data set. Ask for access on its page, and log in with: hf "
                "auth login"
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise ArtifactError(
                f"{self}: there is no data set of this name on the Hub, or it is private. Check "
                "the name; for a private data set, log in with: hf auth login"
            ) from error
        except errors.RevisionNotFoundError as error:
            raise ArtifactError(
                f"{self}: the data set has no revision {self.revision!r}. Give a branch, a tag or "
                "a commit of it."
            ) from error
        except errors.LocalEntryNotFoundError as error:  # is an EntryNotFoundError, too
            raise ArtifactError(
                f"{self}: the Hub cannot be reached, and the file is not in the cache "
                f"({_first_line(error)}). Check the connection, or give a file that was pulled."
            ) from error
        except errors.EntryNotFoundError as error:
            raise ArtifactError(
                f"{self}: the data set has no file {self.file!r}, so it is no data set that "
                f"'condensery push' made. Name another file in it: hf://{self.repository}/FILE"
            ) from error
        except Exception as error:  # whatever the network, the Hub or the disk makes of it
            raise ArtifactError(
                f"{self}: could not be downloaded ({type(error).__name__}: {_first_line(error)}). "
                "Try again."
            ) from error


def is_on_hub(word: str | Path) -> bool:
    """Whether a word means a file of the Hub; also if it was turned into a path."""
    return _text(word).startswith("hf:/")


def located(word: str | Path) -> Path:
    """The path of a condensed file; a file of the Hub is downloaded.

    Args:
        word: A path, or ``hf://USER/NAME[@REVISION][/FILE]``.

    Raises:
        ConfigError: If the word has another form, or huggingface_hub is not installed.
        ArtifactError: If the file cannot be fetched.
    """
    return HubFile.of(word).download() if is_on_hub(word) else Path(word)


def repository(name: str) -> str:
    """``USER/NAME``, checked.

    Raises:
        ConfigError: If it is no name of a data set.
    """
    if not _REPOSITORY.fullmatch(name) or len(name) > 96 or "--" in name or ".." in name:
        raise ConfigError(
            f"{name!r} is no name of a data set on the Hub. The form is USER/NAME, of letters, "
            "digits, '-', '_' and '.', with at most 96 of them and neither '--' nor '..'."
        )
    return name


def hub_package(what: str) -> Any:  # noqa: ANN401 - a module
    """The package huggingface_hub.

    Raises:
        ConfigError: If it is not installed; ``what`` needs it.
    """
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise ConfigError(
            f"{what} needs the package huggingface_hub, which is not installed. Install it with: "
            "pip install 'condensery[hub]'"
        ) from error


def _text(word: str | Path) -> str:
    return word if isinstance(word, str) else word.as_posix()


def _shown(word: str | Path) -> str:
    return re.sub(r"^hf:/+", "hf://", _text(word))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
