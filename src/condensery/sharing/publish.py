"""Condensed sets on the Hugging Face Hub: ``push`` and ``pull``.

Needs the extra ``hub``. Log-in, tokens and the address of the Hub are those of huggingface_hub.
"""

from __future__ import annotations

import fnmatch
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.hub import FILE, HubFile, hub_package, is_on_hub, located, repository
from condensery.condensed.partial import bytes_of_size
from condensery.errors import ArtifactError, ConfigError
from condensery.files import check_new_file
from condensery.sharing.folder import check_folder, new_folder
from condensery.sharing.licence import Licence
from condensery.sharing.repository import CARD, SHEET, check_packages, write_repository

_OURS = (CARD, FILE, SHEET, "data/rank-*.parquet")
_OF_THE_HUB = ".gitattributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A set that was published, or written into a folder.

    Attributes:
        name: ``"USER/NAME"``.
        url: Address of its page; ``None`` if it was only written into a folder.
        folder: The folder; ``None`` if it was uploaded.
        configurations: Number of its configurations, one for each size.
        bytes: Size of all files.
    """

    name: str
    url: str | None
    folder: Path | None
    configurations: int
    bytes: int


def check_push(
    *,
    to: str,
    license: str | None,
    license_link: str | None = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
) -> Licence:
    """Refuse a ``push`` that cannot work, before anything is read or uploaded.

    Args:
        to: As in ``push``.
        license: As in ``push``.
        license_link: As in ``push``.
        folder: As in ``push``.
        overwrite: As in ``push``.

    Returns:
        The licence.

    Raises:
        ConfigError: If the name or the licence cannot be used, a package is absent, this machine
            is not logged in, or the folder cannot be written.
    """
    repository(to)
    licence = Licence.of(license, link=license_link)
    check_packages()
    if folder is not None:
        what = "a published set"
        check_folder(Path(folder), option="--to-folder", mark=FILE, what=what, overwrite=overwrite)
    elif not hub_package("push (without --to-folder)").get_token():
        raise ConfigError(
            f"--to {to}: this machine is not logged in to the Hub. Log in with: hf auth login; "
            "or set HF_TOKEN. With --to-folder DIR (folder=), the files are only written."
        )
    return licence


def push(
    condensed: CondensedSet | str | Path,
    *,
    to: str,
    license: str | None,
    license_link: str | None = None,
    private: bool = False,
    message: str | None = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
) -> Published:
    """Publish a condensed set as a data set of the Hugging Face Hub.

    The data set has a card with the accuracies of the set, the condensed file, and one
    configuration for each size: ``datasets.load_dataset("USER/NAME", "ipc-5")`` gives decoded
    images, labels of type ``ClassLabel``, ranks, and the learned labels if there are any. All files
    arrive in one commit.

    Args:
        condensed: The set, or its file.
        to: ``"USER/NAME"``. The data set is created if it does not exist.
        license: Identifier of the Hub, such as ``"cc-by-4.0"``, or ``"other"``. It must be given:
            condensed images are made from those of the original data set.
        license_link: Address of the text of the licence, with ``license="other"``.
        private: Whether a new data set is private. An existing one stays what it is.
        message: Message of the commit.
        folder: Only write the files into this folder, and upload nothing.
        overwrite: Whether a set that was published there before may be replaced.

    Returns:
        The address of the data set, or the folder.

    Raises:
        ConfigError: If the name or the licence cannot be used, a package is absent, this machine
            is not logged in, or the data set or folder contains something else.
        ArtifactError: If the file cannot be read, or the Hub refuses the upload.

    Example:
        ``push("condensed.safetensors", to="USER/NAME", license="mit", folder="look-at-it")``
    """
    licence = check_push(
        to=to, license=license, license_link=license_link, folder=folder, overwrite=overwrite
    )
    if not isinstance(condensed, CondensedSet):
        condensed = CondensedSet.load(condensed)
    if folder is not None:
        with new_folder(Path(folder)) as new:
            write_repository(condensed, new, name=to, licence=licence)
        return _published(condensed, to=to, files=Path(folder), url=None)
    api = hub_package("push").HfApi()
    old = _files_of(api, to, overwrite=overwrite)
    with tempfile.TemporaryDirectory() as top:
        files = Path(top)
        write_repository(condensed, files, name=to, licence=licence)
        url = _upload(api, files, to=to, old=old, private=private, message=message)
        return _published(condensed, to=to, files=files, url=url)


def pull(
    word: str,
    out: str | Path | None = None,
    *,
    ipc: int | None = None,
    overwrite: bool = False,
) -> CondensedSet:
    """Fetch a condensed set from the Hub, and check it.

    Args:
        word: ``"USER/NAME"``, or ``"hf://USER/NAME@REVISION/FILE"`` with or without revision and
            file.
        out: File to write; ``None`` writes none.
        ipc: Fetch only the size of so many images per class: the bytes that it needs, which are
            not kept in the cache of huggingface_hub. ``None`` fetches all sizes.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The set.

    Raises:
        ConfigError: If the word has another form, a package is absent, or the file cannot be
            written; or if the set does not have the size.
        ArtifactError: If the set cannot be fetched, or is damaged.

    Example:
        ``pull("USER/NAME", "five.safetensors", ipc=5)``
    """
    if out is not None:
        check_new_file(Path(out), overwrite=overwrite)
    word = word if is_on_hub(word) else f"hf://{word}"
    if ipc is None:
        condensed = CondensedSet.load(located(word))
    else:
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / FILE
            part.write_bytes(bytes_of_size(HubFile.of(word).reader(), ipc, title=word))
            condensed = CondensedSet.load(part)
    if out is not None:
        condensed.save(out)
    return condensed


def _published(condensed: CondensedSet, *, to: str, files: Path, url: str | None) -> Published:
    return Published(
        name=to,
        url=url,
        folder=files if url is None else None,
        configurations=condensed.sizes,
        bytes=sum(file.stat().st_size for file in files.rglob("*") if file.is_file()),
    )


def _files_of(api: Any, name: str, *, overwrite: bool) -> list[str]:  # noqa: ANN401 - HfApi
    """The files of an earlier set under this name; empty if there is none.

    Raises:
        ConfigError: If there is something else, or it may not be replaced.
    """
    errors = import_module("huggingface_hub.errors")
    try:
        files: list[str] = api.list_repo_files(name, repo_type="dataset")
    except errors.RepositoryNotFoundError:
        return []
    except Exception as error:
        raise _refused(name, error) from error
    files = [file for file in files if file != _OF_THE_HUB]
    if files and FILE not in files:
        raise ConfigError(
            f"--to {name}: this data set exists and holds other things, such as {files[0]!r}, "
            "which are never replaced. Give another name."
        )
    if files and not overwrite:
        raise ConfigError(
            f"--to {name}: a condensed set was published there before. Give --overwrite "
            "(overwrite=True) to replace it (its history keeps it), or another name."
        )
    return files


def _upload(
    api: Any,  # noqa: ANN401 - HfApi
    files: Path,
    *,
    to: str,
    old: list[str],
    private: bool,
    message: str | None,
) -> str:
    """Create the data set and commit all files at once; returns its address."""
    package = hub_package("push")
    paths = sorted(file for file in files.rglob("*") if file.is_file())
    names = {file.relative_to(files).as_posix(): file for file in paths}
    stale = [
        name
        for name in old
        if name not in names and any(fnmatch.fnmatch(name, ours) for ours in _OURS)
    ]
    changes = [
        *(package.CommitOperationAdd(name, file) for name, file in names.items()),
        *(package.CommitOperationDelete(name) for name in stale),
    ]
    try:
        api.create_repo(to, repo_type="dataset", private=private or None, exist_ok=True)
        api.create_commit(
            to,
            changes,
            commit_message=message or "Publish a condensed set",
            repo_type="dataset",
        )
    except Exception as error:  # whatever the network or the Hub makes of it
        raise _refused(to, error) from error
    return f"{api.endpoint}/datasets/{to}"


def _refused(name: str, error: Exception) -> ArtifactError:
    reason = " ".join(str(error).split()).rstrip(".")
    return ArtifactError(
        f"--to {name}: the Hub did not take it ({type(error).__name__}: {reason}). Check the "
        "connection, that your token may write, and that USER is you or an organisation of yours."
    )
