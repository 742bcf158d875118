"""CIFAR-10, CIFAR-100 and STL-10 as their authors publish them.

CIFAR, binary: records of one label byte (CIFAR-100: coarse, then fine) and 3,072 pixel bytes,
colour planes in rows of 32. CIFAR, Python: pickles of NumPy arrays. A pickle is a program: here
one is read with nothing to call but an inert class, which keeps the bytes of an array for us.

STL-10: ``train_X.bin``, ``train_y.bin`` and the same for test. Images are 96 x 96, colour planes
one after the other, each column by column; labels count from 1. ``class_names.txt`` has the names;
``unlabeled_X.bin`` and ``fold_indices.txt`` are not used.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from condensery.data.labels import as_labels
from condensery.data.source import Skipped, Source, Split
from condensery.errors import DataError

_PIXELS = 3 * 32 * 32
_STL = (3, 96, 96)


class _Cifar(NamedTuple):
    """Files of one version: of the train split in order, of the test split, of the class names."""

    train: tuple[str, ...]
    test: str
    names: str
    labels: int | bytes  # binary: label bytes a record; Python: the key of the labels
    names_key: bytes = b""


_BATCHES = tuple(f"data_batch_{n}" for n in range(1, 6))
_CIFAR = (
    _Cifar(tuple(f"{name}.bin" for name in _BATCHES), "test_batch.bin", "batches.meta.txt", 1),
    _Cifar(("train.bin",), "test.bin", "fine_label_names.txt", 2),
    _Cifar(_BATCHES, "test_batch", "batches.meta", b"labels", b"label_names"),
    _Cifar(("train",), "test", "meta", b"fine_labels", b"fine_label_names"),
)


def read_bytes(path: Path) -> bytes:
    """What is in a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def _lines(path: Path) -> tuple[str, ...]:
    lines = read_bytes(path).decode("utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def holds_cifar(folder: Path) -> bool:
    """Whether a folder has the first train file and the class names of one version."""
    return _version(folder) is not None


def _version(folder: Path) -> _Cifar | None:
    for version in _CIFAR:
        if all((folder / name).is_file() for name in (version.train[0], version.names)):
            return version
    return None


def read_cifar(folder: Path) -> Source:
    """Read a folder of one version; see ``holds_cifar``."""
    version = _version(folder)
    assert version is not None  # whoever calls has asked
    needed = (*version.train, version.test)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: there is {needed[0]!r}, but no {missing[0]!r}. The files "
            f"{', '.join(needed)} belong together: fetch the archive again."
        )
    *train, test = (_batch(folder / name, version.labels) for name in needed)
    if version.names_key:
        names = _class_names(folder / version.names, version.names_key)
    else:
        names = _lines(folder / version.names)
    images = torch.cat([part.images for part in train])
    labels = torch.cat([part.labels for part in train])
    return Source(
        title=str(folder), train=Split(images=images, labels=labels), test=test, class_names=names
    )


def _batch(path: Path, labels: int | bytes) -> Split:
    if isinstance(labels, int):
        content = np.frombuffer(read_bytes(path), dtype=np.uint8)
        record = labels + _PIXELS
        if not len(content) or len(content) % record:
            raise DataError(
                f"{path}: holds {len(content)} bytes, which is no multiple of the {record} of an "
                "image and its label. It is truncated or damaged; fetch it again."
            )
        records = content.reshape(-1, record)
        pixels, indices = records[:, labels:], records[:, labels - 1]
    else:
        held = _unpickled(path)
        array, indices = held.get(b"data"), held.get(labels)
        if not isinstance(array, _Inert) or not isinstance(indices, list):
            listed = ", ".join(str(key) for key in held)
            raise DataError(
                f"{path}: holds {listed or 'nothing'}, but a batch of CIFAR holds {labels!r} and "
                "an array b'data'. Fetch the archive again."
            )
        pixels = _rows(array.state, path)
    images = torch.from_numpy(np.array(pixels).reshape(-1, 3, 32, 32))
    return Split(images=images, labels=as_labels(indices, images=len(images), title=str(path)))


def _class_names(path: Path, key: bytes) -> tuple[str, ...]:
    held = _unpickled(path).get(key)
    if not isinstance(held, list) or not all(isinstance(name, bytes) for name in held):
        raise DataError(f"{path}: holds no list {key!r}. Fetch the archive again.")
    return tuple(name.decode("utf-8", errors="replace") for name in held)


class _Inert:
    """Stands for an array, and for its type: keeps what a pickle says of it, and does nothing."""

    def __init__(self, *given: object) -> None:
        self.given = given
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def _rows(state: object, path: Path) -> np.ndarray:
    """Pixel bytes ``[image, 3072]``, from what a pickle says of an array."""
    match state:
        case (
            _,
            (int(rows), int(columns)),
            _Inert(given=(b"u1" | "u1", *_)),
            False | 0,
            bytes(raw),
        ) if columns == _PIXELS and rows > 0 and rows * columns == len(raw):
            return np.frombuffer(raw, dtype=np.uint8).reshape(rows, columns)
        case _:
            raise DataError(
                f"{path}: its array is not of bytes [image, {_PIXELS}], or is not whole. Fetch "
                "the archive again."
            )


class _TrustedReader(pickle.Unpickler):
    """Knows no functions but what makes the class above."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        modules = ("numpy.core.multiarray", "numpy._core.multiarray")
        if (module in modules and name == "_reconstruct") or (
            module == "numpy" and name in ("ndarray", "dtype")
        ):
            return _Inert
        raise DataError(f"it asks for {f'{module}.{name}'!r} to be run; nothing of it was executed")


def _unpickled(path: Path) -> Mapping[bytes, object]:
    try:
        with path.open("rb") as file:
            held = _TrustedReader(file, encoding="bytes").load()
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle makes the reader stumble on anything
        raise DataError(
            f"{path}: cannot be read as a batch of CIFAR ({error}). Fetch the archive again, or "
            "the binary version, which holds no pickles."
        ) from error
    if not isinstance(held, dict):
        raise DataError(f"{path}: holds a {type(held).__name__}, but a batch of CIFAR is a dict.")
    return held


def holds_stl10(folder: Path) -> bool:
    """Whether a folder has the images of the train split of STL-10."""
    return (folder / "train_X.bin").is_file()


def read_stl10(folder: Path) -> Source:
    """Read a folder of the binary version of STL-10."""
    files = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: holds 'train_X.bin' of STL-10, but no {missing[0]!r}. The files "
            f"{', '.join(files)} belong together: unpack the archive again."
        )
    path = folder / "class_names.txt"
    names = (_lines(path) or None) if path.is_file() else None
    train, test = (_stl_part(folder, split, len(names or "") or 10) for split in ("train", "test"))
    extra = (folder / "unlabeled_X.bin").is_file()
    skipped = (Skipped("unlabeled_X.bin", "its images have no labels"),) if extra else ()
    return Source(title=str(folder), train=train, test=test, class_names=names, skipped=skipped)


def _stl_part(folder: Path, split: str, classes: int) -> Split:
    path = folder / f"{split}_X.bin"
    content = np.frombuffer(read_bytes(path), dtype=np.uint8)
    image = int(np.prod(_STL))
    if not len(content) or len(content) % image:
        raise DataError(
            f"{path}: holds {len(content)} bytes, which is no multiple of the {image} of an image "
            "of STL-10 (96 x 96 in colour). It is truncated or another file: fetch "
            "stl10_binary.tar.gz again and unpack it."
        )
    upright = np.ascontiguousarray(content.reshape(-1, *_STL).transpose(0, 1, 3, 2))
    path = folder / f"{split}_y.bin"
    numbers = np.frombuffer(read_bytes(path), dtype=np.uint8).astype(np.int64)
    if len(numbers) and not (numbers.min() >= 1 and numbers.max() <= classes):
        raise DataError(
            f"{path}: labels run from {numbers.min()} to {numbers.max()}, not from 1 to {classes}. "
            "Fetch the archive again."
        )
    labels = as_labels(numbers - 1, images=len(upright), title=str(path))
    return Split(images=torch.from_numpy(upright), labels=labels)
