"""Folders as well-known data sets are downloaded and unpacked, by torchvision or by hand.

IDX files (MNIST and its relatives, also in ``MNIST/raw``), both versions of CIFAR, SVHN's
``train_32x32.mat``: in the folder itself, or inside it under the name that the download gives.
Knows nothing about what is in the files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from condensery.data import cifar, idx, svhn
from condensery.data.source import Source
from condensery.errors import DataError

__all__ = ["place", "read"]

_READERS = (
    (idx.holds_idx, idx.read),
    (cifar.holds_cifar, cifar.read),
    (svhn.holds_svhn, svhn.read),
)

_PLACES = (
    *("raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw", "QMNIST/raw", "EMNIST/raw"),
    *("cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python"),
)
"""Where a download may lie inside a folder."""


def place(folder: Path) -> Path | None:
    """Where the one data set of this kind lies in a folder, if there is one.

    Args:
        folder: Exists.

    Raises:
        DataError: If there are several.
    """
    if _reader(folder):
        return folder
    places = [folder / name for name in _PLACES if (folder / name).is_dir()]
    found = [place for place in places if _reader(place)]
    if len(found) > 1:
        one, two = (str(place.relative_to(folder)) for place in found[:2])
        raise DataError(
            f"{folder}: holds several data sets, in {one!r} and {two!r}. Give the folder of one, "
            "or its name with --data-dir."
        )
    return found[0] if found else None


def read(folder: Path) -> Source | None:
    """Read the one data set of this kind that lies in a folder.

    Args:
        folder: Exists.

    Returns:
        The source, whose title is where it was found; ``None`` if there is none of this kind.

    Raises:
        DataError: If there are several, or it cannot be read.
    """
    where = place(folder)
    reader = None if where is None else _reader(where)
    return None if where is None or reader is None else reader(where)


def _reader(place: Path) -> Callable[[Path], Source] | None:
    return next((reader for holds, reader in _READERS if holds(place)), None)
