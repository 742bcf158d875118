"""A folder that appears, or is replaced, only when everything in it is written."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from condensery.errors import ConfigError
from condensery.files import check_writable, existing_ancestor, holds_files


def check_folder(out: Path, *, option: str, mark: str, what: str, overwrite: bool) -> None:
    """Refuse a folder that contains something other than an earlier result that may be replaced.

    Args:
        out: The folder to make.
        option: The option that gave it, for messages.
        mark: Name of a file that is in every such folder.
        what: What the folder contains, in words.
        overwrite: Whether an earlier result may be replaced.

    Raises:
        ConfigError: Says what the folder contains.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{option} {out}: is a file, but a folder is made. Give another name.")
    if holds_files(out):
        if not (out / mark).exists():
            raise ConfigError(
                f"{option} {out}: holds other things, which are never removed. Give another folder."
            )
        if not overwrite:
            raise ConfigError(
                f"{option} {out}: holds {what} already. Give --overwrite (overwrite=True) to "
                "replace it, or another folder."
            )
    above = existing_ancestor(out.absolute().parent)
    if not above.is_dir():
        raise ConfigError(f"{option} {out}: {str(above)!r} is no folder. Give another path.")
    check_writable(above, given=out)


@contextmanager
def new_folder(out: Path) -> Generator[Path]:
    """A new folder to write into; it becomes ``out`` at the end of the block.

    If the block fails, ``out`` stays as it was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.absolute().parent) as around:
        new = Path(around) / "new"
        new.mkdir()
        yield new
        old = Path(around) / "old"  # goes with the temporary folder
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise
