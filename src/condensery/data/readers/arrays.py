"""Arrays of images and labels: in memory, or in NumPy archives (``.npz``).

An archive holds ``images`` and ``labels``, ``x_train``, ``y_train``, ``x_test``, ``y_test``, or
``train_images`` ... ``test_labels``, as MedMNIST writes them, and optionally ``class_names``.
Validation images take the place of a test split that is not there. Pickled content is never
loaded: it could run code.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from condensery.data.decoding.pixels import as_bytes, channels_first
from condensery.data.decoding.values import Conversion, ValueRange
from condensery.data.labels import as_labels
from condensery.data.source import Source, Split
from condensery.errors import DataError, nearest

_TRAIN = (("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels"))
_TEST = (("test_images", "test_labels"), ("x_test", "y_test"), ("test_images", "test_labels"))
_VALIDATION = (("val_images", "val_labels"), ("x_val", "y_val"))
_DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def read(images: object, labels: object, *, value_range: ValueRange | None) -> Source:
    """Read ``(images, labels)``.

    Args:
        images: NumPy array or tensor, NHW, NCHW or NHWC; ``uint8`` or floats in [0, 1], with a
            value range any real numbers.
        labels: Integers from 0, one an image.
        value_range: The pixel values that become 0 and 255; ``None`` is the usual scale.
    """
    values = Conversion(value_range)
    train = _part(images, labels, title="arrays", values=values)
    return Source(title="arrays", train=train, notices=values.notices("arrays"))


def _part(images: object, labels: object, *, title: str, values: Conversion) -> Split:
    if not isinstance(images, (np.ndarray, Tensor)):
        raise DataError(
            f"{title}: images are a {type(images).__name__}, but only NumPy arrays and torch "
            "tensors are read. Stack them into one array first."
        )
    pixels = channels_first(as_bytes(images, title=title, values=values), title=title).contiguous()
    return Split(images=pixels, labels=as_labels(labels, images=len(pixels), title=title))


def examined(source: Source, value_range: ValueRange | None) -> Source:
    """A source of bytes, brought to a range, or with the notice that its values need one."""
    values = Conversion(value_range)

    def change(images: Tensor) -> Tensor:
        if value_range is not None:
            return as_bytes(images, title=source.title, values=values)
        for block in images.split(1024):
            values.convert(block.numpy(), "8-bit", stacked=True)
        return images

    return replace(source.mapped(change), notices=source.notices + values.notices(source.title))


def read_npz(path: Path, *, value_range: ValueRange | None) -> Source:
    """Read a NumPy archive."""
    arrays = _arrays(path)
    listed = ", ".join(map(repr, arrays)) or "nothing"
    which = next((i for i, keys in enumerate(_TRAIN) if keys[0] in arrays), None)
    if which is None:
        raise DataError(
            f"{path}: holds {listed}, but neither images nor x_train. Save it with "
            "numpy.savez(path, images=..., labels=...)."
        )
    needed, test = _TRAIN[which], _TEST[which]
    if test[0] in arrays or test[1] in arrays:
        needed = (*needed, *test)
    for key in needed:
        if key not in arrays:
            raise DataError(
                f"{path}: holds {listed}, but no {key!r}.{nearest(key, arrays)} "
                f"The keys {', '.join(needed)} belong together."
            )
    notices: tuple[str, ...] = ()
    instead = next((keys for keys in _VALIDATION if all(key in arrays for key in keys)), None)
    if len(needed) == 2 and instead:
        needed = (*needed, *instead)
        notices = (
            f"{path}: there is no test split, so {instead[0]!r} and {instead[1]!r} are used as "
            "the test split. Give another one with --test (test=).",
        )
    values = Conversion(value_range)
    train, *held = (
        _part(arrays[images], arrays[labels], title=f"{path}, {images}", values=values)
        for images, labels in zip(needed[::2], needed[1::2], strict=True)
    )
    names = arrays.get("class_names")
    return Source(
        title=str(path),
        train=train,
        test=held[0] if held else None,
        class_names=None if names is None else tuple(str(name) for name in names.reshape(-1)),
        notices=(*notices, *values.notices(str(path))),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        # opened here, because NumPy leaves a file it cannot read open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (*_DAMAGE, pickle.UnpicklingError) as error:
        foreign = isinstance(error, pickle.UnpicklingError)
        reason = "it is no NumPy archive" if foreign else str(error)
        if "allow_pickle" in reason:
            raise DataError(
                f"{path}: holds pickled Python objects, which are never loaded because they can "
                "run code. Save plain arrays: numbers, all images of one shape."
            ) from error
        raise DataError(
            f"{path}: cannot be read as .npz ({reason}). It is truncated, or another format; "
            "save it again with numpy.savez_compressed."
        ) from error
