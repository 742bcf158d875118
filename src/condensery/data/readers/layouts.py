"""Folders as well-known data sets are published, downloaded and unpacked.

The registry says which reader takes which layout: IDX files (MNIST and its relatives), both
versions of CIFAR, SVHN's ``train_32x32.mat``, the binaries of STL-10, and the data sets whose
publishers list their images (``published``). They are found in the folder itself, inside it under
the name that the download gives, or in the only folder that is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensery.data.decoding.decode import Decoding
from condensery.data.readers import cifar_stl, idx, mat
from condensery.data.readers.arrays import examined
from condensery.data.readers.folders.listing import Listing, load
from condensery.data.readers.folders.walk import files, folders, readable
from condensery.data.readers.published import PUBLISHED
from condensery.data.source import Source
from condensery.errors import DataError
from condensery.registry import parts, register


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
    return lambda folder, how, _classes: examined(read_folder(folder), how.value_range)


def _images(listing: Callable[[Path], Listing]) -> Callable[..., Source]:
    """The reader of a layout of image files."""
    return lambda folder, how, classes: load(listing(folder).chosen(classes), how)


_IDX_PLACES = ("raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw", "QMNIST/raw", "EMNIST/raw")
_CIFAR_PLACES = (
    *("cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python"),
)

for _layout in (
    Layout("IDX", _IDX_PLACES, idx.holds_idx, _arrays(idx.read)),
    Layout("CIFAR", _CIFAR_PLACES, cifar_stl.holds_cifar, _arrays(cifar_stl.read_cifar)),
    Layout("SVHN", (), mat.holds_svhn, _arrays(mat.read_svhn)),
    Layout("STL-10", ("stl10_binary",), cifar_stl.holds_stl10, _arrays(cifar_stl.read_stl10)),
    *(Layout(each.name, each.places, each.holds, _images(each.listing)) for each in PUBLISHED),
):
    register("layout", re.sub(r"\W+", "-", _layout.name.lower()))(_layout)


def place(folder: Path) -> Path | None:
    """Where the one data set of this kind lies in a folder, if there is one."""
    found = _found(folder)
    return None if found is None else found[0]


def read(
    folder: Path, how: Decoding | None = None, classes: Sequence[str] | None = None
) -> Source | None:
    """Read the one data set of this kind that lies in a folder; ``None`` if there is none.

    Layouts that hold arrays take only the value range of ``how``, and are read whole. The title of
    the source is where it was found.
    """
    found = _found(folder)
    if found is None:
        _refuse_saved_to_disk(folder)
        return None
    where, layout = found
    return layout.read(where, how or Decoding(), classes)


def _found(folder: Path) -> tuple[Path, Layout] | None:
    layouts: list[Layout] = list(parts("layout").values())  # those of other packages, too
    if layout := next((each for each in layouts if each.holds(folder)), None):
        return folder, layout
    places = [(folder / name, each) for each in layouts for name in each.places]
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


def _refuse_saved_to_disk(folder: Path) -> None:
    """Say how to get Parquet files from what ``save_to_disk`` of the package datasets writes."""
    title = readable(str(folder))
    loaded = f"datasets.load_from_disk({title!r})"
    if (folder / "dataset_dict.json").is_file():
        how = f"for split, part in {loaded}.items(): part.to_parquet(f'{{split}}.parquet')"
    elif (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        how = f"{loaded}.to_parquet('train.parquet')"
    else:
        return
    raise DataError(
        f"{title}: was written by save_to_disk of the package datasets, which is "
        f"not read here. Write Parquet files instead, in Python: {how}. Then give their folder."
    )
