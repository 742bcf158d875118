"""CIFAR-10 and CIFAR-100 as their authors publish them: the binary version and the Python version.

Binary: records of one label byte (CIFAR-100: coarse, then fine) and 3,072 pixel bytes, colour
planes in rows of 32. Python: pickles of NumPy arrays. A pickle is a program: here one is read
with nothing to call but three inert classes, which keep the bytes of an array for us to look at.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from condensery.data.labels import as_labels
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["holds_cifar", "read"]

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Files of one version.

    Attributes:
        train: Files of the train split, in order.
        test: File of the test split.
        names: File of the class names.
        labels: Binary: label bytes a record. Python: 0.
        key: Python: under which the labels are.
        names_key: Python: under which the class names are.
    """

    train: tuple[str, ...]
    test: str
    names: str
    labels: int = 0
    key: bytes = b""
    names_key: bytes = b""


_LAYOUTS = (
    _Layout(
        train=tuple(f"data_batch_{n}.bin" for n in range(1, 6)),
        test="test_batch.bin",
        names="batches.meta.txt",
        labels=1,
    ),
    _Layout(train=("train.bin",), test="test.bin", names="fine_label_names.txt", labels=2),
    _Layout(
        train=tuple(f"data_batch_{n}" for n in range(1, 6)),
        test="test_batch",
        names="batches.meta",
        key=b"labels",
        names_key=b"label_names",
    ),
    _Layout(
        train=("train",),
        test="test",
        names="meta",
        key=b"fine_labels",
        names_key=b"fine_label_names",
    ),
)


def holds_cifar(folder: Path) -> bool:
    """Whether a folder has the first train file and the class names of one version."""
    return _layout(folder) is not None


def read(folder: Path) -> Source:
    """Read a folder of one version; see ``holds_cifar``.

    Raises:
        DataError: If a file is missing, damaged, of another format, or asks to run code.
    """
    layout = _layout(folder)
    assert layout is not None  # whoever calls has asked
    missing = [name for name in (*layout.train, layout.test) if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: there is {layout.train[0]!r}, but no {missing[0]!r}. The files "
            f"{', '.join((*layout.train, layout.test))} belong together: fetch the archive again."
        )
    reader = _binary if layout.labels else _pickled
    train = [reader(folder / name, layout) for name in layout.train]
    return Source(
        title=str(folder),
        train=Part(
            images=torch.cat([part.images for part in train]),
            labels=torch.cat([part.labels for part in train]),
        ),
        test=reader(folder / layout.test, layout),
        class_names=_names(folder / layout.names, layout),
    )


def _layout(folder: Path) -> _Layout | None:
    for layout in _LAYOUTS:
        if all((folder / name).is_file() for name in (layout.train[0], layout.names)):
            return layout
    return None


def _binary(path: Path, layout: _Layout) -> Part:
    content = np.frombuffer(_bytes(path), dtype=np.uint8)
    record = layout.labels + _PIXELS
    if not len(content) or len(content) % record:
        raise DataError(
            f"{path}: holds {len(content)} bytes, which is no multiple of the {record} of an image "
            "and its label. It is truncated or damaged; fetch it again."
        )
    records = content.reshape(-1, record)
    return _part(path, records[:, layout.labels :], records[:, layout.labels - 1])


def _pickled(path: Path, layout: _Layout) -> Part:
    held = _unpickled(path)
    pixels, labels = held.get(b"data"), held.get(layout.key)
    if not isinstance(pixels, _Array) or not isinstance(labels, list):
        listed = ", ".join(str(key) for key in held)
        raise DataError(
            f"{path}: holds {listed or 'nothing'}, but a batch of CIFAR holds {layout.key!r} and "
            "an array b'data'. Fetch the archive again."
        )
    return _part(path, pixels.numbers(path), labels)


def _part(path: Path, pixels: np.ndarray, labels: object) -> Part:
    images = torch.from_numpy(np.array(pixels).reshape(-1, 3, 32, 32))
    return Part(images=images, labels=as_labels(labels, images=len(images), title=str(path)))


def _names(path: Path, layout: _Layout) -> tuple[str, ...]:
    if layout.labels:
        lines = _bytes(path).decode("utf-8", errors="replace").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    held = _unpickled(path).get(layout.names_key)
    if not isinstance(held, list) or not all(isinstance(name, bytes) for name in held):
        raise DataError(f"{path}: holds no list {layout.names_key!r}. Fetch the archive again.")
    return tuple(name.decode("utf-8", errors="replace") for name in held)


class _Type:
    """What a pickle says of the numbers of an array."""

    def __init__(self, code: object, *rest: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        del state


class _Array:
    """What a pickle says of an array: its extents, its numbers' type, its bytes."""

    def __init__(self, *rest: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def numbers(self, path: Path) -> np.ndarray:
        """Pixel bytes ``[image, 3072]``."""
        match self.state:
            case (_, (int(rows), int(columns)), _Type(code=b"u1" | "u1"), False | 0, bytes(raw)):
                if columns == _PIXELS and rows > 0 and math.prod((rows, columns)) == len(raw):
                    return np.frombuffer(raw, dtype=np.uint8).reshape(rows, columns)
            case _:
                pass
        raise DataError(
            f"{path}: its array is not of bytes [image, {_PIXELS}], or is not whole. Fetch the "
            "archive again."
        )


class _Reader(pickle.Unpickler):
    """Knows no functions but what makes the two classes above."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Array
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _Array if name == "ndarray" else _Type
        asked = f"{module}.{name}"
        raise DataError(f"it asks for {asked!r} to be run; nothing of it was executed")


def _unpickled(path: Path) -> Mapping[bytes, object]:
    try:
        with path.open("rb") as file:
            held = _Reader(file, encoding="bytes").load()
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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
