"""The search for data sets of the literature on disk, in all usual layouts.

``known`` has the table of these sets; the readers recognise folders. Nothing is downloaded here
(``hub`` does this).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from condensery.data.known import EMBEDDED, KNOWN, KnownSet
from condensery.data.readers import archives, idx, layouts
from condensery.data.readers.folders.folder import holds_images
from condensery.errors import DataError, nearest


def find(name: str, data_dir: str | Path) -> str:
    """The place of a data set of the literature below a folder.

    Checked in this order: folders that its download creates (such as ``cifar-10-batches-py``,
    ``MNIST/raw``, ``train_32x32.mat``); the folder itself if its path has the name of the set;
    folders with this name in any usual spelling; Parquet and NumPy files with this name; and
    archives with this name, which are not unpacked yet.

    Args:
        name: A key of ``KNOWN``.
        data_dir: The folder; ``~`` is the home folder.

    Returns:
        A source for ``load_data``: a folder, a file, or a pattern of Parquet files. A folder of
        ImageNet may contain more classes; ``load_data(name, data_dir=...)`` reads only those of the
        set.

    Raises:
        DataError: If the name is unknown, or the set is absent; says what was searched, and where
            the set is published.
    """
    known = KNOWN.get(name)
    if known is None:
        raise DataError(
            f"{name!r} is no data set that is known by name.{nearest(name, KNOWN)} Known are "
            f"{', '.join((*EMBEDDED, *KNOWN))}; anything else is read from its path."
        )
    root = Path(data_dir).expanduser().absolute()
    found = next(_found(known, root), None) if root.is_dir() else None
    if found is None:
        raise _absent(known, root)
    return found


def _found(known: KnownSet, root: Path) -> Iterator[str]:
    yield from _within(known, root, itself=_sounds_like(known, root))
    entries = sorted(root.iterdir())
    for entry in entries:
        if entry.is_dir() and _is_called(known, entry.name):
            yield from _within(known, entry, itself=True)
    if known.folders is None:
        yield from _files(known, root, [entry.name for entry in entries])


def _files(known: KnownSet, root: Path, names: Sequence[str]) -> Iterator[str]:
    beginnings: dict[str, None] = {}
    arrays: list[str] = []
    for name in names:
        match = re.fullmatch(rf"({known.stem})([-_.].*)?\.(?P<kind>parquet|npz)", name.lower())
        if match and match["kind"] == "npz":
            arrays.append(name)
        elif match:
            beginnings[name[: match.end(1)]] = None
    plain = [name for name in arrays if re.fullmatch(rf"({known.stem})\.npz", name.lower())]
    if len(found := plain or arrays) > 1:
        raise DataError(
            f"{root}: holds several editions of {known.name}: {found[0]} and {found[1]}. Give the "
            f"path of one, such as '{root / found[0]}'."
        )
    yield from (str(root / name) for name in found)
    if len(beginnings) > 1:
        one, two = list(beginnings)[:2]
        raise DataError(
            f"{root}: holds several editions of {known.name}: {one}*.parquet and {two}*.parquet. "
            f"Give the files of one, such as '{root / one}-*.parquet'."
        )
    for beginning in beginnings:
        yield glob.escape(str(root / beginning)) + "[-_.]*parquet"
    for name in names:
        path = root / name
        if archives.is_archive(path) and re.fullmatch(
            rf"({known.stem})([-_.].*)?", archives.stem_of(path).lower()
        ):
            yield str(path)


def _within(known: KnownSet, folder: Path, *, itself: bool) -> Iterator[str]:
    """The set in the places of its download, then in the folder itself if it has its name."""
    for place in (folder / name for name in known.places):
        yield from _readable(known, place)
    if known.marks and all((folder / mark).exists() for mark in known.marks):
        yield str(folder)
    if itself:
        yield from _readable(known, folder)


def _readable(known: KnownSet, folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        if idx.holds_one(folder):  # the beginning of the names of files
            yield str(folder)
        return
    if known.folders is not None:
        if all((folder / "train" / name).is_dir() for name in known.folders):
            yield str(folder)
        return
    if layouts.place(folder) is not None or holds_images(folder):
        yield str(folder)
    for within in ("", "*/"):
        pattern = glob.escape(f"{folder}/") + within + known.files
        if glob.glob(pattern):
            yield pattern


def _sounds_like(known: KnownSet, folder: Path) -> bool:
    """Whether the last part of a path with the name of a set has the name of this set."""
    for part in reversed(folder.absolute().parts):
        if called := [each.name for each in KNOWN.values() if _is_called(each, part)]:
            return known.name in called
    return False


def _is_called(known: KnownSet, name: str) -> bool:
    pattern = f"{known.stem}|{known.within}" if known.within else known.stem
    return name in known.places or re.fullmatch(pattern, name.lower()) is not None


def _absent(known: KnownSet, root: Path) -> DataError:
    """The error: what was searched and where, what was found instead, and what would work."""
    if not root.is_dir():
        what = "is no folder" if root.exists() else "does not exist"
        return DataError(
            f"{known.name} was to be found under {root}, which {what}. Give the folder that holds "
            f"data sets with --data-dir (data_dir=). {_how(known)}"
        )
    wanted = [f"{place}/" for place in known.places]
    if known.folders is not None:
        wanted = [f"train/{known.folders[0]}/ and the other {len(known.folders) - 1} classes"]
    elif known.marks:
        wanted += [" with ".join(known.marks)]
    called = "imagenet" if known.folders is not None else known.name
    wanted.append(f"a folder called {called} in any usual spelling")
    if known.folders is None:
        wanted += [f"{known.name}*.parquet", f"an archive called {known.name}*"]
    there = [folder.name for folder in sorted(root.iterdir()) if folder.is_dir()]
    empty = [f"{name}/" for name in there if _is_called(known, name)]
    held = f" There is {empty[0]}, but it does not hold it, or not all of it." if empty else ""
    return DataError(
        f"{known.name} was not found under {root}.{held} Looked for {', '.join(wanted)}. "
        f"{_how(known)} What lies elsewhere is given by its path (./{known.name} is a path)."
    )


def _how(known: KnownSet) -> str:
    fetched = f"Nothing is downloaded unasked. It is published at {known.archive}"
    if known.hub is None:
        return f"{fetched}."
    return (
        f"{fetched}; or ask for it with --download (download=True), which needs: "
        "pip install 'condensery[hub]'."
    )
