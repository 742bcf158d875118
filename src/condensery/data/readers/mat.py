"""MATLAB files (version 7 and before), and SVHN's cropped digits, which are two of them.

``train_32x32.mat`` and ``test_32x32.mat`` of SVHN: ``X`` is ``[height, width, channel, image]``,
``y`` counts 1 to 10, where 10 is the digit 0. The easier ``extra_32x32.mat`` is left alone, as
published results do.

Needs SciPy (the extra ``mat``), which is imported only when such a file is read.

Source: http://ufldl.stanford.edu/housenumbers/
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from condensery.data.labels import as_labels
from condensery.data.source import Source, Split
from condensery.errors import DataError

_SVHN = ("train_32x32.mat", "test_32x32.mat")


def mat_arrays(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of numbers of a MATLAB file, by name."""
    try:
        content = import_module("scipy.io").loadmat(path)
    except MemoryError:
        raise
    except ImportError as error:
        raise DataError(
            f"{path}: reading MATLAB files needs SciPy, which is not installed. "
            "Install it with: pip install 'condensery[mat]'"
        ) from error
    except NotImplementedError as error:  # how SciPy refuses version 7.3
        raise DataError(
            f"{path}: is a MATLAB file of version 7.3 (HDF5), which is not read. Save it again "
            "with save(..., '-v7')."
        ) from error
    except Exception as error:  # a damaged file makes the reader stumble on anything
        raise DataError(
            f"{path}: cannot be read as a MATLAB file ({error}). It is truncated, damaged or "
            "another format; fetch it again."
        ) from error
    arrays = {name: held for name, held in content.items() if isinstance(held, np.ndarray)}
    return {name: array for name, array in arrays.items() if array.dtype.kind in "iuf"}


def holds_svhn(folder: Path) -> bool:
    """Whether a folder has one of the two files of SVHN."""
    return any((folder / name).exists() for name in _SVHN)


def read_svhn(folder: Path) -> Source:
    """Read both splits, or the one that is there."""
    parts = [_svhn_part(folder / name) for name in _SVHN if (folder / name).exists()]
    return Source(title=str(folder), train=parts[0], test=parts[1] if len(parts) > 1 else None)


def _svhn_part(path: Path) -> Split:
    content = mat_arrays(path)
    images, labels = content.get("X"), content.get("y")
    if images is None or labels is None or images.ndim != 4 or images.dtype != np.uint8:
        held = ", ".join(f"{name} {array.dtype}{[*array.shape]}" for name, array in content.items())
        raise DataError(
            f"{path}: holds {held or 'no arrays'}, but SVHN's cropped digits are X of uint8 "
            "[height, width, channel, image] and y. Fetch it again."
        )
    digits = labels.reshape(-1)
    if not bool(np.isin(digits, np.arange(1, 11)).all()):
        raise DataError(f"{path}: labels run from {digits.min()} to {digits.max()}, not 1 to 10.")
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(3, 2, 0, 1)))
    digits = digits.astype(np.int64) % 10
    return Split(images=pixels, labels=as_labels(digits, images=len(pixels), title=str(path)))
