"""NumPy archives: ``images`` and ``labels``, or ``x_train``, ``y_train``, ``x_test``, ``y_test``.

Also ``train_images`` ... ``test_labels``, as MedMNIST writes them, and optionally
``class_names``. Validation images take the place of a test split that is not there. Pickled
content is never loaded: it could run code.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np

from condensery.data.decoding.values import Conversion, ValueRange
from condensery.data.readers.arrays import part
from condensery.data.source import Part, Source
from condensery.errors import DataError, nearest

__all__ = ["read"]

_LAYOUTS = (  # train images, train labels, test images, test labels
    ("images", "labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)
_VALIDATION = (("val_images", "val_labels"), ("x_val", "y_val"))
_DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def read(path: Path, *, value_range: ValueRange | None = None) -> Source:
    """Read an archive.

    Args:
        path: The file.
        value_range: The pixel values that become 0 and 255; ``None`` is the usual scale.

    Raises:
        DataError: If it is no such archive, is damaged, holds pickled objects, or lacks a key.
    """
    arrays = _arrays(path)
    layout = next((keys for keys in _LAYOUTS if keys[0] in arrays), None)
    if layout is None:
        raise DataError(
            f"{path}: holds {_listed(arrays)}, but neither images nor x_train. Save it with "
            "numpy.savez(path, images=..., labels=...)."
        )
    needed = layout if layout[2] in arrays or layout[3] in arrays else layout[:2]
    for key in needed:
        if key not in arrays:
            raise DataError(
                f"{path}: holds {_listed(arrays)}, but no {key!r}.{nearest(key, arrays)} "
                f"The keys {', '.join(needed)} belong together."
            )
    notices: tuple[str, ...] = ()
    if len(needed) == 2:
        for keys in _VALIDATION:
            if all(key in arrays for key in keys):
                needed = (*needed, *keys)
                notices = (
                    f"{path}: there is no test split, so {keys[0]!r} and {keys[1]!r} are used as "
                    "the test split. Give another one with --test (test=).",
                )
                break
    names = arrays.get("class_names")
    values = Conversion(value_range)

    def split(images: str, labels: str) -> Part:
        title = f"{path}, {images}"
        return part(arrays[images], arrays[labels], title=title, values=values)

    return Source(
        title=str(path),
        train=split(needed[0], needed[1]),
        test=split(needed[2], needed[3]) if len(needed) == 4 else None,
        class_names=None if names is None else tuple(str(name) for name in names.reshape(-1)),
        notices=(*notices, *values.notices(str(path))),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        # opened here, because NumPy leaves a file it cannot read open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except pickle.UnpicklingError as error:
        raise _foreign(path, "it is no NumPy archive") from error
    except _DAMAGE as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: holds pickled Python objects, which are never loaded because they can "
                "run code. Save plain arrays: numbers, all images of one shape."
            ) from error
        raise _foreign(path, str(error)) from error


def _foreign(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path}: cannot be read as .npz ({reason}). It is truncated, or another format; "
        "save it again with numpy.savez_compressed."
    )


def _listed(arrays: dict[str, np.ndarray]) -> str:
    return ", ".join(repr(key) for key in arrays) or "nothing"
