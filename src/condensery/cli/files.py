"""Whether something may be written at a path; found out before any work is done.

Knows nothing about what is written.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from condensery.errors import ConfigError

__all__ = ["check_new_file", "check_writable", "existing_ancestor"]


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
