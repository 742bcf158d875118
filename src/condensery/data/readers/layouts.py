"""Folders as well-known data sets are published, downloaded and unpacked.

The registry says which reader takes which layout: IDX files (MNIST and its relatives), both
versions of CIFAR, SVHN's ``train_32x32.mat``, the binaries of STL-10, and the data sets whose
publishers list their images (``published``).
They are found in the folder itself, inside it under the name
that the download gives, or in the only folder that is in it.

Knows nothing about what is in the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensery.data.readers import cifar, idx, stl10, svhn
from condensery.data.readers.arrays import examined
from condensery.data.readers.folders.listing import Decoding, load
from condensery.data.readers.folders.walk import files, folders, readable
from condensery.data.readers.published import PUBLISHED, Published
from condensery.data.source import Source
from condensery.errors import DataError
from condensery.registry import parts, register

__all__ = ["Layout", "place", "read"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set lies in a folder, and what reads it.

    A package of yours adds one with ``register("layout", "mine")(Layout(...))``.

    Attributes:
        name: What messages call it.
        places: Folders of a download in which it may lie.
        holds: Whether a folder is of this layout.
        read: Reads such a folder; the classes are those to read, or ``None`` for all.
    """

    name: str
    places: tuple[str, ...]
    holds: Callable[[Path], bool]
    read: Callable[[Path, Decoding, Sequence[str] | None], Source]

    @property
    def summary(self) -> str:
        """One line for the table of parts."""
        inside = f", also in {', '.join(self.places)}" if self.places else ""
        return f"{self.name} as published{inside}"


def _arrays(read_folder: Callable[[Path], Source]) -> Callable[..., Source]:
    """The reader of a layout whose files hold arrays, which need no decoding."""

    def read_arrays(folder: Path, how: Decoding, classes: Sequence[str] | None) -> Source:
        del classes
        return examined(read_folder(folder), how.value_range)

    return read_arrays


def _images(layout: Published) -> Callable[..., Source]:
    """The reader of a layout of image files."""

    def read_images(folder: Path, how: Decoding, classes: Sequence[str] | None) -> Source:
        return load(layout.listing(folder).chosen(classes), how)

    return read_images


_IDX_PLACES = ("raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw", "QMNIST/raw", "EMNIST/raw")
_CIFAR_PLACES = (
    *("cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python"),
)

_BUILT_IN = (
    Layout("IDX", _IDX_PLACES, idx.holds_idx, _arrays(idx.read)),
    Layout("CIFAR", _CIFAR_PLACES, cifar.holds_cifar, _arrays(cifar.read)),
    Layout("SVHN", (), svhn.holds_svhn, _arrays(svhn.read)),
    Layout("STL-10", ("stl10_binary",), stl10.holds_stl10, _arrays(stl10.read)),
    *(Layout(each.name, each.places, each.holds, _images(each)) for each in PUBLISHED),
)
for _layout in _BUILT_IN:
    register("layout", re.sub(r"\W+", "-", _layout.name.lower()))(_layout)


def place(folder: Path) -> Path | None:
    """Where the one data set of this kind lies in a folder, if there is one.

    Args:
        folder: Exists.

    Raises:
        DataError: If there are several.
    """
    found = _found(folder)
    return None if found is None else found[0]


def read(
    folder: Path, *, how: Decoding | None = None, classes: Sequence[str] | None = None
) -> Source | None:
    """Read the one data set of this kind that lies in a folder.

    Args:
        folder: Exists.
        how: How image files are decoded; layouts that hold arrays take only the value range.
        classes: Classes of image files to read, in the order of their labels; ``None`` is all.

    Returns:
        The source, whose title is where it was found; ``None`` if there is none of this kind.

    Raises:
        DataError: If there are several, or it cannot be read, or it is a folder that
            ``save_to_disk`` of the package datasets has written.
    """
    found = _found(folder)
    if found is not None:
        where, layout = found
        return layout.read(where, how or Decoding(), classes)
    _refuse_saved_to_disk(folder)
    return None


def _found(folder: Path) -> tuple[Path, Layout] | None:
    if layout := next((each for each in _layouts() if each.holds(folder)), None):
        return folder, layout
    places = [(folder / name, each) for each in _layouts() for name in each.places]
    found = [(where, each) for where, each in places if where.is_dir() and each.holds(where)]
    if len(found) > 1:
        one, two = (str(where.relative_to(folder)) for where, _ in found[:2])
        raise DataError(
            f"{folder}: holds several data sets, in {one!r} and {two!r}. Give the folder of one, "
            "or its name with --data-dir."
        )
    if found:
        return found[0]
    inside = folders(folder)
    # An archive often holds a single folder. A class folder holds none of these layouts.
    return _found(inside[0]) if len(inside) == 1 and not files(folder) else None


def _layouts() -> Iterable[Layout]:
    """Every layout that is registered, those of other packages, too."""
    return parts("layout").values()


def _refuse_saved_to_disk(folder: Path) -> None:
    """Say how to get Parquet files from what ``save_to_disk`` of the package datasets writes."""
    divided = (folder / "dataset_dict.json").is_file()
    if not divided and not all(
        (folder / name).is_file() for name in ("state.json", "dataset_info.json")
    ):
        return
    loaded = f"datasets.load_from_disk({readable(str(folder))!r})"
    how = (
        f"for split, part in {loaded}.items(): part.to_parquet(f'{{split}}.parquet')"
        if divided
        else f"{loaded}.to_parquet('train.parquet')"
    )
    raise DataError(
        f"{readable(str(folder))}: was written by save_to_disk of the package datasets, which is "
        f"not read here. Write Parquet files instead, in Python: {how}. Then give their folder."
    )
