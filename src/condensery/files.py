"""Whether something may be written at a path, found out before any work is done; and by whom.

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

__all__ = [
    "LOCK",
    "check_new_file",
    "check_space",
    "check_writable",
    "existing_ancestor",
    "holds_files",
    "lock",
    "locked",
    "locked_in_turn",
]

LOCK = ".lock"
"""File of a folder, locked by the process that works in it."""

_PROBE = ".condensery-"
"""Begin of the names of folders that are made to see whether anything can be written."""

_OF_THE_SYSTEM = (".DS_Store", "Thumbs.db", "desktop.ini", ".nfs", "lost+found")
"""What operating systems put into folders by themselves."""

_CONTENTION = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""Errors of locking that mean that another process holds the lock; any other one means that files
cannot be locked here, as on some network file systems."""


def check_new_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that exists (without ``overwrite``) or whose folder cannot be written.

    Raises:
        ConfigError: Saying which, and what would work.
    """
    if path.is_dir():
        raise ConfigError(f"--out {path}: is a folder, but a file is written. Give a file's name.")
    if path.exists() and not overwrite:
        raise ConfigError(f"--out {path}: exists. Give --overwrite to replace it, or another name.")
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path}: there is no folder {str(path.parent)!r}. Make it first.")
    check_writable(path.parent, given=path)


def check_writable(folder: Path, *, given: Path) -> None:
    """Refuse a folder in which nothing can be made; leaves no trace in it.

    Args:
        folder: Exists.
        given: What the user named.

    Raises:
        ConfigError: With the system's reason.
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
    """The nearest folder (or whatever it is) above ``path``, or itself, that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def check_space(path: Path) -> None:
    """Refuse a path under which no folder can be made.

    Raises:
        ConfigError: Saying why not.
    """
    above = existing_ancestor(path)
    if not above.is_dir():
        raise ConfigError(
            f"--out {path}: {str(above)!r} is no folder, so nothing can be made in it. "
            "Give another path."
        )
    check_writable(above, given=path)


def holds_files(folder: Path, *, parts_of: str = "") -> bool:
    """Whether a folder holds more than what a failed start or the system leaves in it.

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
        folder: Exists.
        notice: Is given a sentence where the file system has no locks: the work goes on without.

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
    """Lock a file and wait for other processes that have; a killed process leaves no lock behind.

    A lock that this process has already is passed: its threads know of each other. Where files
    cannot be locked, nothing is.

    Args:
        path: Made if absent, in a folder that exists.
        notice: Is given a sentence if there is something to wait for.
        check: Called while waiting; what it raises ends that.

    Raises:
        OSError: If the file cannot be made.
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
        descriptor: Of the file, open for writing.
        shared: Whether others may share the lock; Windows, where an open file cannot be removed,
            has no such lock.

    Raises:
        OSError: With a number of ``_CONTENTION`` if another process has locked it; with another
            number where files cannot be locked.
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
