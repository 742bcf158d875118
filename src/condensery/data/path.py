"""Which reader takes a path; and what to say if there is nothing, or nothing known, at it.

Knows nothing about what is in the files.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from condensery.data import folder, idx, layouts, npz, parquet
from condensery.data.known import KNOWN
from condensery.data.source import Source
from condensery.data.store import Store
from condensery.errors import DataError, nearest

__all__ = ["read", "read_list"]


def read(
    text: str,
    *,
    size: int | None,
    skip_corrupt: bool,
    classes: tuple[str, ...] | None = None,
    store: Store | None = None,
) -> Source:
    """Read a folder, a file, or the files that a pattern with ``*`` matches.

    Args:
        text: The path; ``~`` is the home folder.
        size: Side of the square to bring images to, or ``None`` if all have one size.
        skip_corrupt: Whether to go on without images that cannot be read.
        classes: Class folders to read of a folder of images, in this order; ``None`` is all. Of
            other sources all classes are read.
        store: What to do with large sets; ``None`` holds all in memory.

    Raises:
        DataError: If there is nothing at the path, or nothing that can be read.
    """
    path = Path(text).expanduser()
    if not path.exists():
        if idx.names_one(path):
            return idx.read_one(path)
        matches = sorted(Path(match) for match in glob.glob(str(path)))
        if not matches:
            raise _missing(path)
        return read_list(matches, title=text, size=size, skip_corrupt=skip_corrupt, store=store)
    if path.is_dir():
        if (found := layouts.read(path)) is not None:
            return found
        if not (files := _parquet_in(path)):
            return folder.read(
                path, size=size, skip_corrupt=skip_corrupt, classes=classes, store=store
            )
        return parquet.read(files, title=text, size=size, skip_corrupt=skip_corrupt, store=store)
    if path.suffix == ".parquet":
        return parquet.read([path], title=text, size=size, skip_corrupt=skip_corrupt, store=store)
    if path.suffix == ".npz":
        return npz.read(path)
    raise DataError(
        f"{text}: a file that ends in {path.suffix or 'nothing'!r} is not read. Give a .npz or "
        ".parquet file, or a folder of images, of IDX or Parquet files, or of CIFAR or SVHN as "
        "they are downloaded."
    )


def read_list(
    paths: Sequence[Path],
    *,
    title: str,
    size: int | None,
    skip_corrupt: bool,
    store: Store | None = None,
) -> Source:
    """Read several Parquet files, or several IDX files, of one data set.

    Raises:
        DataError: If one is missing, or is no such file.
    """
    for path in paths:
        if not path.exists():
            raise _missing(path)
    if idx.are_idx(paths):
        return idx.read_files(paths, title=title)
    for path in paths:
        if path.suffix != ".parquet":
            raise DataError(
                f"{path}: several files together must be Parquet files (.parquet) or IDX files, "
                "which this is not. Give a single folder or file instead."
            )
    return parquet.read(paths, title=title, size=size, skip_corrupt=skip_corrupt, store=store)


def _parquet_in(path: Path) -> list[Path]:
    return sorted((*path.glob("*.parquet"), *path.glob("*/*.parquet")))


def _missing(path: Path) -> DataError:
    """Name the first part of the path that is missing, and what exists in its place."""
    absent = path
    while not absent.parent.exists():
        absent = absent.parent
    beside = [entry.name for entry in absent.parent.iterdir()] if absent.parent.is_dir() else []
    hint = nearest(absent.name, [*beside, "digits", *KNOWN])
    where = "" if absent == path else f" (there is no {str(absent)!r})"
    return DataError(
        f"{path}: there is no such file or folder{where}.{hint} Give the path of a folder of "
        "images, IDX or Parquet files, or of a .npz file, or a name with --data-dir: "
        f"{', '.join(KNOWN)}; 'digits' is built in. Nothing is downloaded unasked."
    )
