"""STL-10 as its authors publish it: ``train_X.bin``, ``train_y.bin`` and the same for test.

Images are 96 x 96, colour planes one after the other, each column by column. Labels count from 1.
``class_names.txt`` has the names; ``unlabeled_X.bin`` and ``fold_indices.txt`` are not used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from condensery.data.labels import as_labels
from condensery.data.source import Part, Skipped, Source
from condensery.errors import DataError

__all__ = ["holds_stl10", "read"]

_SIDE = 96
_IMAGE = 3 * _SIDE * _SIDE


def holds_stl10(folder: Path) -> bool:
    """Whether a folder has the images of the train split."""
    return (folder / "train_X.bin").is_file()


def read(folder: Path) -> Source:
    """Read a folder of the binary version.

    Raises:
        DataError: If a file is missing, or not as long as its images need.
    """
    files = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: holds 'train_X.bin' of STL-10, but no {missing[0]!r}. The files "
            f"{', '.join(files)} belong together: unpack the archive again."
        )
    names = _names(folder / "class_names.txt")
    extra = (folder / "unlabeled_X.bin").is_file()
    return Source(
        title=str(folder),
        train=_part(folder, "train", names),
        test=_part(folder, "test", names),
        class_names=names,
        skipped=(Skipped("unlabeled_X.bin", "its images have no labels"),) if extra else (),
    )


def _part(folder: Path, split: str, names: tuple[str, ...] | None) -> Part:
    path = folder / f"{split}_X.bin"
    content = _bytes(path)
    if not content or len(content) % _IMAGE:
        raise DataError(
            f"{path}: holds {len(content)} bytes, which is no multiple of the {_IMAGE} of an image "
            "of STL-10 (96 x 96 in colour). It is truncated or another file: fetch "
            "stl10_binary.tar.gz again and unpack it."
        )
    # Each plane is written column by column.
    images = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3, _SIDE, _SIDE)
    upright = np.ascontiguousarray(images.transpose(0, 1, 3, 2))
    path = folder / f"{split}_y.bin"
    digits = np.frombuffer(_bytes(path), dtype=np.uint8).astype(np.int64)
    highest = len(names) if names else 10
    if len(digits) and not (digits.min() >= 1 and digits.max() <= highest):
        raise DataError(
            f"{path}: labels run from {digits.min()} to {digits.max()}, not from 1 to {highest}. "
            "Fetch the archive again."
        )
    labels = as_labels(digits - 1, images=len(upright), title=str(path))
    return Part(images=torch.from_numpy(upright), labels=labels)


def _names(path: Path) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    lines = _bytes(path).decode("utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip()) or None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
