"""Checks that a path can be written, before any work is done; and locks for files and folders.

Knows nothing about what is written.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from condensery.errors import ConfigError

LOCK = ".lock"
"""A file in a folder that the process working in the folder has locked."""

_PROBE = ".condensery-"
"""Prefix of the names of folders that are created to test whether a folder can be written."""

_OF_THE_SYSTEM = (".DS_Store", "Thumbs.db", "desktop.ini", ".nfs", "lost+found")
"""Files that operating systems create in folders."""

_CONTENTION = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""Error numbers which mean that another process holds the lock. Any other number means that files
cannot be locked here, as on some network file systems."""


def check_new_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that exists (without ``overwrite``) or whose folder cannot be written.

    Raises:
        ConfigError: With the reason, and what would work.
    """
    if path.is_dir():
        raise ConfigError(f"--out {path}: is a folder, but a file is written. Give a file's name.")
    if path.exists() and not overwrite:
        raise ConfigError(f"--out {path}: exists. Give --overwrite to replace it, or another name.")
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path}: there is no folder {str(path.parent)!r}. Make it first.")
    check_writable(path.parent, given=path)


def check_writable(folder: Path, *, given: Path) -> None:
    """Refuse a folder that cannot be written; leaves nothing behind in it.

    Args:
        folder: An existing folder.
        given: The path that the user gave.

    Raises:
        ConfigError: With the reason that the system gives.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=_PROBE, dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"--out {given}: nothing can be written in {str(folder)!r} ({error.strerror}). Give a "
            "path in a folder that you may write to."
        ) from error


def existing_ancestor(path: Path) -> Path:
    """``path`` itself if it exists, or else the nearest path above it that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def check_space(path: Path) -> None:
    """Refuse a path at which no folder can be created.

    Raises:
        ConfigError: With the reason.
    """
    above = existing_ancestor(path)
    if not above.is_dir():
        raise ConfigError(
            f"--out {path}: {str(above)!r} is no folder, so nothing can be made in it. "
            "Give another path."
        )
    check_writable(above, given=path)


def holds_files(folder: Path, *, parts_of: str = "") -> bool:
    """Whether a folder contains files, except those of a failed start or of the system.

    Args:
        folder: May be absent.
        parts_of: Name of the file that a start writes first; its temporary files do not count.
    """
    if not folder.is_dir():
        return False
    left = (LOCK, _PROBE, *_OF_THE_SYSTEM, *((f".{parts_of}.",) if parts_of else ()))
    return any(not entry.name.startswith(left) for entry in folder.iterdir())


@contextmanager
def locked(folder: Path, notice: Callable[[str], None]) -> Generator[None]:
    """Let only one process work in a folder; a killed process leaves no lock behind.

    Args:
        folder: An existing folder.
        notice: Called with a sentence if the file system has no locks; the work then continues.

    Raises:
        ConfigError: If another process holds the lock, or nothing can be written in the folder.
    """
    try:
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise ConfigError(
            f"{folder}: the file {LOCK} in this folder cannot be written ({error.strerror}), but "
            "the work writes into this folder. Make it writable, or copy the folder to a place "
            "where you may write and name the copy."
        ) from error
    with file:
        try:
            lock(file.fileno())
        except OSError as error:
            if error.errno in _CONTENTION:
                raise ConfigError(
                    f"{folder}: another process is working in this folder. Wait for it, or stop it."
                ) from error
            notice(
                f"{folder}: files cannot be locked here ({error.strerror}), so a second process in "
                "the same folder would not be noticed. Start only one."
            )
        yield


@contextmanager
def locked_in_turn(
    path: Path, notice: Callable[[str], None], *, check: Callable[[], None]
) -> Generator[None]:
    """Lock a file, and wait while another process has the lock.

    If this process already has the lock, nothing happens: its threads know of each other. If
    files cannot be locked here, nothing is locked. A killed process leaves no lock behind.

    Args:
        path: Created if absent; its folder must exist.
        notice: Called with a sentence if it is necessary to wait.
        check: Called again and again while waiting; an exception that it raises ends the waiting.

    Raises:
        OSError: If the file cannot be created.
    """
    if path in _held_here:
        yield
        return
    with path.open("ab") as file:
        told = False
        while True:
            try:
                lock(file.fileno())
            except OSError as error:
                if error.errno in _CONTENTION:
                    if not told:
                        notice(f"{path}: waits for another process, which makes what is needed.")
                    told = True
                    check()
                    time.sleep(0.2)
                    continue
            break
        _held_here.add(path)
        try:
            yield
        finally:
            _held_here.discard(path)


_held_here: set[Path] = set()


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock an open file until it is closed, without waiting.

    Args:
        descriptor: The descriptor of the file, which is open for writing.
        shared: Whether other processes may share the lock. Windows has no such lock, but there an
            open file cannot be removed.

    Raises:
        OSError: With a number of ``_CONTENTION`` if another process has locked the file; with
            another number if files cannot be locked.
    """
    if sys.platform == "win32":
        import msvcrt

        if not shared:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        return
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
