"""MATLAB files (version 7 and before), read with SciPy.

Needs SciPy (the extra ``mat``), which is imported only when such a file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from condensery.errors import DataError

__all__ = ["mat_arrays"]


def mat_arrays(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of numbers of a MATLAB file, by name."""
    loadmat = _scipy_io(path).loadmat
    try:
        content = loadmat(path)
    except MemoryError:
        raise
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
    return {
        name: array
        for name, array in content.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "iuf"
    }


def _scipy_io(path: Path) -> Any:  # noqa: ANN401 - an optional dependency has no types here
    try:
        return import_module("scipy.io")
    except ImportError as error:
        raise DataError(
            f"{path}: reading MATLAB files needs SciPy, which is not installed. "
            "Install it with: pip install 'condensery[mat]'"
        ) from error
