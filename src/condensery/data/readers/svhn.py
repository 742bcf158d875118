"""SVHN's cropped digits: ``train_32x32.mat`` and ``test_32x32.mat``.

``X`` is ``[height, width, channel, image]``, ``y`` counts 1 to 10, where 10 is the digit 0. The
easier ``extra_32x32.mat`` is left alone, as published results do.

Needs SciPy (the extra ``mat``), which is imported only when such a file is read.

Source: http://ufldl.stanford.edu/housenumbers/
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from condensery.data.labels import as_labels
from condensery.data.readers.mat import mat_arrays
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["holds_svhn", "read"]

_FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def holds_svhn(folder: Path) -> bool:
    """Whether a folder has one of the two files."""
    return any((folder / name).exists() for name in _FILES.values())


def read(folder: Path) -> Source:
    """Read both splits, or the one that is there.

    Raises:
        DataError: If SciPy is absent, or a file cannot be read or is another MATLAB file.
    """
    parts = [_part(folder / name) for name in _FILES.values() if (folder / name).exists()]
    return Source(title=str(folder), train=parts[0], test=parts[1] if len(parts) > 1 else None)


def _part(path: Path) -> Part:
    content = mat_arrays(path)
    images, labels = content.get("X"), content.get("y")
    if images is None or labels is None or images.ndim != 4 or images.dtype != np.uint8:
        held = ", ".join(
            f"{name} {array.dtype}{list(array.shape)}" for name, array in content.items()
        )
        raise DataError(
            f"{path}: holds {held or 'no arrays'}, but SVHN's cropped digits are X of uint8 "
            "[height, width, channel, image] and y. Fetch it again."
        )
    digits = labels.reshape(-1)
    if not bool(np.isin(digits, np.arange(1, 11)).all()):
        raise DataError(f"{path}: labels run from {digits.min()} to {digits.max()}, not 1 to 10.")
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(3, 2, 0, 1)))
    digits = digits.astype(np.int64) % 10
    return Part(images=pixels, labels=as_labels(digits, images=len(pixels), title=str(path)))
