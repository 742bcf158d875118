"""Whether something may be written at a path, found out before any work is done; and by whom.

Knows nothing about what is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from condensery.errors import ConfigError

__all__ = ["LOCK", "check_new_file", "check_room", "check_writable", "existing_ancestor", "locked"]

LOCK = ".lock"
"""File of a folder, held by the process that works in it."""


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
        with tempfile.TemporaryDirectory(prefix=".condensery-", dir=folder):
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


def check_room(path: Path) -> None:
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


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Let only one process work in a folder; a killed one leaves no lock behind.

    Raises:
        ConfigError: If another process does.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"{folder}: another process is working in this folder. Wait for it, or stop it."
            ) from error
        yield
