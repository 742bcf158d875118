"""Labels as people keep them become ``int64`` class indices without gaps.

Knows nothing about images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from condensery.errors import DataError

__all__ = ["as_labels", "check_classes", "default_names"]


def as_labels(labels: object, *, images: int, title: str) -> Int[Tensor, "image"]:
    """Return class indices as ``int64``.

    Args:
        labels: Integers: an array, a tensor or a sequence, ``[image]`` or ``[image, 1]``.
        images: How many are needed.
        title: How the error calls them.

    Raises:
        DataError: If they are not integers, negative, or not as many as the images.
    """
    if isinstance(labels, Tensor):
        floating = labels.is_floating_point()  # bfloat16 has no NumPy type
        array = (labels.detach().float() if floating else labels).cpu().numpy()
    else:
        try:
            array = np.asarray(labels)
        except ValueError as error:  # rows of different length
            raise DataError(f"{title}: labels are not an array of integers ({error}).") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"{title}: labels have shape {array.shape}, but one class index an image is needed, "
            f"[{images}]. Turn one-hot rows into indices with labels.argmax(1)."
        )
    if len(array) != images:
        raise DataError(
            f"{title}: {images} images but {len(array)} labels. Give one label for every image."
        )
    if array.dtype.kind not in "iu":
        raise DataError(
            f"{title}: labels are of type {array.dtype}, but class indices are integers "
            "0, 1, 2, ... Convert them first."
        )
    if array.dtype.kind == "i" and len(array) and array.min() < 0:
        raise DataError(
            f"{title}: {int((array < 0).sum())} label(s) are negative (lowest {array.min()}), "
            "which often marks unlabelled images. Leave those out; classes count from 0."
        )
    return torch.from_numpy(array.astype(np.int64))


def check_classes(
    labels: Int[Tensor, "image"], *, names: Sequence[str] | None, part: str, title: str
) -> int:
    """Return the number of classes, each of which has an image.

    Args:
        labels: At least 0.
        names: Class names, where the source or the train split knows them.
        part: ``"train"`` or ``"test"``.
        title: How the error calls the source.

    Raises:
        DataError: If a class has no image, a label has no name, or there is one class only.
    """
    if not len(labels):
        raise DataError(f"{title}: there is no {part} image left. Every class needs one.")
    highest = int(labels.max())
    classes = highest + 1 if names is None else len(names)
    if highest >= classes:
        raise DataError(
            f"{title}: a {part} image has label {highest}, but there are {classes} classes "
            f"(0..{classes - 1}). Train and test must have the same classes."
        )
    if classes < 2:
        raise DataError(
            f"{title}: all {part} images are of one class. Condensation learns to tell classes "
            "apart: give at least two."
        )
    present = torch.zeros(classes, dtype=torch.bool)
    present[labels.unique()] = True
    missing: list[int] = (~present).nonzero()[:, 0].tolist()
    if missing:
        called = names or default_names(classes)
        shown = ", ".join(
            str(c) if called[c] == str(c) else f"{c} ({called[c]})" for c in missing[:5]
        )
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(
            f"{title}: no {part} image of class {shown}{more}, though labels go up to "
            f"{classes - 1}. Every class needs an image: add some, or renumber the labels."
        )
    return classes


def default_names(classes: int) -> tuple[str, ...]:
    """Names for classes that have none: their index."""
    return tuple(str(class_) for class_ in range(classes))
