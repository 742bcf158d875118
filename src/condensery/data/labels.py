"""Labels in all usual forms become ``int64`` class indices without gaps.

No function needs memory in proportion to the largest label: labels that are ids or hashes are
refused because of their number of different values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from condensery.data.source import Source
from condensery.errors import DataError

_MOST_CLASSES = 65_536
"""Higher labels are indices only if there are more images; ImageNet-21k has 21,841 classes."""

_RENUMBER = "classes, labels = numpy.unique(labels, return_inverse=True)"


def as_labels(labels: object, *, images: int, title: str) -> Int[Tensor, "image"]:
    """Return class indices as ``int64``.

    Args:
        labels: Integers: an array, a tensor or a sequence, ``[image]`` or ``[image, 1]``.
        images: The number of labels that are needed.
        title: Name of the labels in errors.
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
        way = "Turn one-hot rows into indices with labels.argmax(1)."
        ones = array.ndim == 2 and array.dtype.kind in "iufb" and np.isin(array, (0, 1)).all()
        if ones and (odd := int((np.count_nonzero(array, axis=1) != 1).sum())):
            way = (
                f"{odd} rows have several classes or none, which is not supported. Keep the "
                "images of one class, and turn their rows into indices with labels.argmax(1)."
            )
        raise DataError(
            f"{title}: labels have shape {array.shape}, but one class index an image is needed, "
            f"[{images}]. {way}"
        )
    if len(array) != images:
        raise DataError(
            f"{title}: {images} images but {len(array)} labels. Give one label for every image."
        )
    if array.dtype.kind in "US":
        raise DataError(
            f"{title}: labels are text, such as {str(array[0])!r}, but class indices are integers "
            f"0, 1, 2, ... Number the names: {_RENUMBER}."
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
    if len(array) and array.max() >= max(_MOST_CLASSES, len(array) + 1):
        different = len(np.unique(array))
        way = "They look like ids or hashes. If each is a class, renumber them: " + _RENUMBER
        if 2 * different > len(array):
            way = (
                "Most of these numbers occur once, as ids or hashes of images do. Give the "
                "numbers of the classes"
            )
        raise DataError(
            f"{title}: the {len(array)} labels are {different} different numbers from "
            f"{array.min()} to {array.max()}, but class indices are 0, 1, 2, ... without gaps. "
            f"{way}."
        )
    return torch.from_numpy(array.astype(np.int64))


def count_from_zero(source: Source) -> Source:
    """Change labels that count from 1 to class indices from 0; other labels do not change.

    Labels count from 1 if the train labels are 1, 2, ..., K and no label of either split is 0 or
    above K. Without class names, the classes are then called ``"1"`` to ``"K"``. With K + 1 names,
    the first name belongs to no image and is dropped. A notice says so. Class names therefore never
    change their meaning.
    """
    labels = source.train.labels
    if not len(labels) or int(labels.min()) != 1:
        return source
    classes = int(labels.max())
    if classes < 2 or len(labels.unique()) != classes:
        return source
    test, names = source.test, source.class_names
    if test is not None and len(test.labels):
        low, high = int(test.labels.min()), int(test.labels.max())
        if low < 1 or high > classes:
            return source
    seen = f"{source.title}: the labels run from 1 to {classes}, and no image has the label 0."
    if names is None:
        names = tuple(str(number) for number in range(1, classes + 1))
        notice = (
            f"{seen} They are read as {classes} classes that are counted from 1: the class names "
            f"are '1' to '{classes}', and the class index is the label minus 1. Give other names "
            "in this order with --classes NAME,NAME,... (classes=[...])."
        )
    elif len(names) == classes + 1:
        notice = (
            f"{seen} The class {names[0]!r}, which is the name of label 0, is left out: there are "
            f"{classes} classes, and the class index is the label minus 1. If images of "
            f"{names[0]!r} are missing, add them."
        )
        names = names[1:]
    elif len(names) == classes:
        raise DataError(
            f"{seen} There are {classes} class names, and names belong to the labels 0 to "
            f"{classes - 1}, so label {classes} has no name. If the first name belongs to label 1, "
            "subtract 1 from all labels."
        )
    else:
        return source
    return replace(
        source,
        train=replace(source.train, labels=labels - 1),
        test=None if test is None else replace(test, labels=test.labels - 1),
        class_names=names,
        notices=(*source.notices, notice),
    )


def check_classes(
    labels: Int[Tensor, "image"], *, names: Sequence[str] | None, part: str, title: str
) -> int:
    """Return the number of classes, and check that each of them has an image.

    Args:
        labels: Labels of at least 0.
        names: Class names, if the source or the train split has them.
        part: ``"train"`` or ``"test"``.
        title: Name of the source in errors.
    """
    if not len(labels):
        raise DataError(f"{title}: there is no {part} image left. Every class needs one.")
    present: list[int] = labels.unique().tolist()  # ascending
    highest = present[-1]
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
    if absent := classes - len(present):
        held = set(present)
        first = islice((label for label in range(classes) if label not in held), 5)
        missing = [
            str(label)
            if names is None or names[label] == str(label)
            else f"{label} ({names[label]})"
            for label in first
        ]
        more = f" and {absent - len(missing)} more" if absent > len(missing) else ""
        renumber = "" if names is not None else f": {_RENUMBER}"
        raise DataError(
            f"{title}: no {part} image of class {', '.join(missing)}{more}, though labels go up to "
            f"{classes - 1}: there are {len(present)} different labels. Every class needs an "
            f"image: add some, or renumber the labels{renumber}."
        )
    return classes


def default_names(classes: int) -> tuple[str, ...]:
    """Names for classes without names: their indices."""
    return tuple(str(class_) for class_ in range(classes))
