"""The choice of a reader for a path, and the errors for absent and unknown paths."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from condensery.data.decoding.decode import Decoding
from condensery.data.known import EMBEDDED, KNOWN
from condensery.data.readers import archives, arrays, idx, layouts
from condensery.data.readers.folders import folder
from condensery.data.readers.folders.names import is_companion, is_container, kind_of
from condensery.data.readers.folders.walk import folders, has_images, name_of, readable
from condensery.data.readers.parquet import read as parquet
from condensery.data.skipped import Skipped
from condensery.data.source import Source
from condensery.errors import DataError, nearest

_DEPTH = 3  # archives inside archives


def read(text: str, how: Decoding, classes: Sequence[str] | None = None) -> Source:
    """Read a folder, a file, an archive, or the files that a pattern with ``*`` matches.

    Of image files only ``classes`` are read, in this order; ``None`` is all. Of other sources all
    classes are read.
    """
    path = Path(text).expanduser()
    if not path.exists():
        if (one := idx.read_one(path)) is not None:
            return arrays.examined(one, how.value_range)
        matches = sorted(Path(match) for match in glob.glob(str(path)))
        if not matches:
            raise _missing(path)
        return read_list(matches, how, title=text)
    if path.is_dir():
        return _read_folder(path, text, how, classes, depth=0)
    if path.suffix == ".parquet":
        return parquet.read([path], how, title=text)
    if path.suffix == ".npz":
        return arrays.read_npz(path, value_range=how.value_range)
    if archives.is_archive(path):
        return _read_archives([path], path.with_name(archives.stem_of(path)), how, classes, depth=0)
    raise DataError(
        f"{readable(text)}: a file that ends in {path.suffix or 'nothing'!r} is not read. Give a "
        ".npz or .parquet file, an archive (.zip, .tar, .tar.gz), or a folder of images, of IDX or "
        "Parquet files, or of CIFAR or SVHN as they are downloaded."
    )


def read_list(paths: Sequence[Path], how: Decoding, *, title: str) -> Source:
    """Read several Parquet files, or several IDX files, of one data set."""
    for path in paths:
        if not path.exists():
            raise _missing(path)
    if (read := idx.read_files(paths, title=title)) is not None:
        return arrays.examined(read, how.value_range)
    for path in paths:
        if path.suffix != ".parquet":
            raise DataError(
                f"{path}: several files together must be Parquet files (.parquet) or IDX files, "
                "which this is not. Give a single folder or file instead."
            )
    return parquet.read(paths, how, title=title)


def _read_folder(
    path: Path, text: str, how: Decoding, classes: Sequence[str] | None, *, depth: int
) -> Source:
    if (found := layouts.read(path, how, classes)) is not None:
        return found
    tables = sorted((*path.glob("*.parquet"), *path.glob("*/*.parquet")))
    if tables and not _are_beside_images(path, tables):
        return parquet.read(tables, how, title=text)
    if not has_images(path) and (packed := archives.archives_in(path)):
        return _read_archives(packed, path, how, classes, depth=depth)
    source = folder.read(path, how, classes=classes)
    left = tuple(Skipped(name_of(table, path), "a table beside class folders") for table in tables)
    return replace(source, skipped=(*source.skipped, *left))


def _read_archives(
    packed: Sequence[Path], title: Path, how: Decoding, classes: Sequence[str] | None, *, depth: int
) -> Source:
    """Unpack the archives of one data set, and read the folder that comes out."""
    names = [archives.stem_of(path) for path in packed]
    belong = all(kind_of(name) or is_container(name) or is_companion(name) for name in names)
    if len(packed) > 1 and not belong:
        raise DataError(
            f"{readable(title)}: holds {len(packed)} archives, such as {names[0]!r} and "
            f"{names[1]!r}. Give one of them, or unpack those that belong together into one folder."
        )
    if depth >= _DEPTH:
        raise DataError(
            f"{readable(packed[0])}: is an archive inside archives inside archives. Unpack it "
            "yourself, and give the folder that comes out."
        )
    home = archives.unpacked(packed)
    source = _read_folder(home, str(home), how, classes, depth=depth + 1)
    return replace(source, title=readable(title))


def _are_beside_images(path: Path, tables: Sequence[Path]) -> bool:
    """Whether Parquet files only accompany class folders."""
    holding = {table.parent for table in tables}
    images = [inside for inside in folders(path) if inside not in holding and has_images(inside)]
    nested = any(has_images(sub) for inside in images for sub in folders(inside))
    if len(images) < 2 and not nested:
        return False
    data = [table for table in tables if kind_of(table.stem) or parquet.hold_images([table])]
    if data:
        raise DataError(
            f"{readable(path)}: holds Parquet files, such as {name_of(data[0], path)!r}, and "
            f"folders of images, such as {name_of(images[0], path)!r}. Give the Parquet files by a "
            f"pattern, such as '{readable(data[0].parent)}/*.parquet', or put the images into "
            "a folder of their own and give that."
        )
    return True


def _missing(path: Path) -> DataError:
    """Name the first part of the path that is missing, and what exists in its place."""
    absent = path
    while not absent.parent.exists():
        absent = absent.parent
    beside = [entry.name for entry in absent.parent.iterdir()] if absent.parent.is_dir() else []
    hint = nearest(absent.name, [*beside, *EMBEDDED, *KNOWN])
    where = "" if absent == path else f" (there is no {str(absent)!r})"
    return DataError(
        f"{path}: there is no such file or folder{where}.{hint} Give the path of a folder of "
        "images, IDX or Parquet files, or of a .npz file, or with --data-dir the name of one of "
        f"the {len(KNOWN)} sets that --help lists, such as {next(iter(KNOWN))}; "
        f"{' and '.join(EMBEDDED)} are built in. Nothing is downloaded unasked."
    )
