"""Archives (``.zip``, ``.tar``, also compressed) are unpacked once into the cache folder.

An archive is unpacked completely or not at all, and is found again by its name, size and time.
Nothing is written outside its folder: absolute paths, ``..``, links and devices are refused.
"""

from __future__ import annotations

import contextlib
import errno
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from condensery.cache import place
from condensery.data.decoding.cache import identity
from condensery.data.readers.folders.walk import readable
from condensery.errors import DataError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_UNREAD = (".7z", ".rar", ".tar.zst", ".tar.lz4")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError)
_JUNK = ("__MACOSX", ".DS_Store")


def is_archive(path: Path) -> bool:
    """Whether the name of a file is that of a supported archive."""
    return path.name.lower().endswith(_ENDINGS) and path.is_file()


def archives_in(folder: Path) -> list[Path]:
    """Archives directly in a folder, sorted by name."""
    entries = sorted(folder.iterdir())
    found = [path for path in entries if is_archive(path) and not path.name.startswith(".")]
    other = [path for path in entries if path.name.lower().endswith(_UNREAD)]
    if other and not found:
        raise DataError(
            f"{readable(str(folder))}: holds the archive {readable(other[0].name)!r}, whose format "
            "is not unpacked here. Unpack it, and give the folder that comes out."
        )
    return found


def stem_of(path: Path) -> str:
    """The name of an archive without its ending."""
    ending = max((e for e in _ENDINGS if path.name.lower().endswith(e)), key=len)
    return path.name[: -len(ending)]


def unpacked(archives: Sequence[Path]) -> Path:
    """Unpack archives into one folder, or find them unpacked.

    Args:
        archives: One archive, or several of one data set, each of which gets a folder.

    Returns:
        The folder. Where an archive holds a single folder, what is in that folder.
    """
    first = archives[0]
    folder = place("archives")
    home = folder / f"{stem_of(first)}-{identity(archives, root=first.parent)}"
    if home.is_dir():
        return home
    partial = folder / f".{home.name}.{os.getpid()}"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        for path in archives:
            into = partial / stem_of(path) if len(archives) > 1 else partial
            _unpack(path, into)
        try:
            partial.rename(home)
        except OSError:
            if not home.is_dir():  # else another process has just unpacked the same
                raise
    except OSError as error:
        raise DataError(
            f"{readable(str(first))}: cannot be unpacked into {readable(str(folder))}: "
            f"{error.strerror or error}. Name another folder by the environment variable "
            "CONDENSERY_CACHE, or unpack the archive yourself and give the folder that comes out."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):  # it holds something else
            folder.rmdir()
    return home


def _unpack(path: Path, into: Path) -> None:
    into.mkdir(exist_ok=True)
    try:
        if zipfile.is_zipfile(path):
            _unpack_zip(path, into)
        else:
            _unpack_tar(path, into)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        reason = str(error).split("\n", 1)[0].rstrip(":") or type(error).__name__
        raise DataError(
            f"{readable(str(path))}: cannot be unpacked ({reason}). It is truncated or "
            "damaged, or another kind of file: fetch it again."
        ) from error
    inside = list(into.iterdir())
    if len(inside) == 1 and inside[0].is_dir():  # what is in the only folder goes up by one
        aside = into.with_name(f"{into.name}.inside")
        inside[0].rename(aside)
        into.rmdir()
        aside.rename(into)


def _unpack_zip(path: Path, into: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries: list[zipfile.ZipInfo] = []
        for entry in archive.infolist():
            plain = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
            if not _is_wanted(path, entry.filename, plain=plain):
                continue
            if entry.flag_bits & 1:
                raise DataError(
                    f"{readable(str(path))}: is encrypted. Unpack it yourself, and give the folder "
                    "that comes out."
                )
            entries.append(entry)
        needed, free = sum(entry.file_size for entry in entries), shutil.disk_usage(into).free
        if needed > free:
            text = f"it needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} are free"
            raise OSError(errno.ENOSPC, text)
        try:
            archive.extractall(into, entries)
        except (NotImplementedError, RuntimeError) as error:  # a method of compression, a password
            raise zipfile.BadZipFile(str(error)) from error


def _unpack_tar(path: Path, into: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise DataError(
            f"{readable(str(path))}: this version of Python cannot unpack archives safely. Update "
            "it within its series, or unpack the archive yourself and give the folder."
        )
    with tarfile.open(path) as archive:
        for member in archive:
            if _is_wanted(path, member.name, plain=member.isfile() or member.isdir()):
                archive.extract(member, into, filter="data")


def _is_wanted(path: Path, name: str, *, plain: bool) -> bool:
    """Whether an entry is to be unpacked; refuses what is not safe."""
    parts = re.split(r"[/\\]", name)
    if any(part in _JUNK or part.startswith("._") for part in name.split("/")):
        return False
    what = "" if plain else "is a link or a device"
    if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
        what = "leads out of the archive"
    if what:
        raise DataError(
            f"{readable(str(path))}: its entry {readable(name)!r} {what}, so it is not unpacked "
            "here. If you trust it, unpack it yourself and give the folder that comes out."
        )
    return True
