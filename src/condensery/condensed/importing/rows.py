"""Images and labels of a file in the shape and order of a data set, with their ranks.

The rank of an image is its position among the images of its class in the file. Knows nothing about
formats or normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from condensery.data import ImageData
from condensery.errors import DataError

Learned: TypeAlias = Literal["probabilities", "centred", "logits"]
"""The values of learned labels in a file; see ``ImportFormat.learned``."""

_SAME = 1e-4  # labels that differ by less are those of all, not learned ones
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowLabels:
    """The classes of rows, with the numbers of the file.

    Attributes:
        class_: ``int64 [row]``.
        soft: Learned labels as probabilities, ``float32 [row, class_]``; ``None`` if there are only
            classes.
        notices: Sentences about rows whose class was uncertain.
    """

    class_: Tensor
    soft: Tensor | None = None
    notices: tuple[str, ...] = ()


def fitting_images(images: Tensor, data: ImageData, *, title: str) -> Tensor:
    """Images in the shape of the data set, ``[row, channel, height, width]``.

    Raises:
        DataError: If they have another shape or dtype, or are not finite.
    """
    channels, (height, width) = data.channels, data.side
    shape = tuple(images.shape[1:])
    if images.ndim == 3 and channels == 1 and shape == (height, width):
        images = images[:, None]
    elif images.ndim == 4 and shape == (height, width, channels) != (channels, height, width):
        images = images.permute(0, 3, 1, 2)
    if not len(images) or tuple(images.shape[1:]) != (channels, height, width):
        raise DataError(
            f"{title}: holds images of shape {list(images.shape)}, but those of {data.name} are "
            f"{channels} x {height} x {width} (channel, height, width). "
            f"{_other_shape(images, data)}"
        )
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.is_floating_point():
        low, high = (int(end) for end in images.aminmax())
        way = (
            "If they are pixels of 0 to 255, load the file yourself and save them as uint8."
            if low >= 0 and high <= 255
            else "Load the file yourself and save them as floats, as the code made them."
        )
        raise DataError(
            f"{title}: holds images of {str(images.dtype).removeprefix('torch.')} from {low} to "
            f"{high}, but released sets hold floats or bytes. {way}"
        )
    images = images.to(torch.float32).contiguous()
    if bad := int((~torch.isfinite(images)).sum()):
        raise DataError(
            f"{title}: {bad} of {images.numel()} values are NaN or infinite. The run that wrote it "
            "diverged; take an earlier file of it."
        )
    return images


def _other_shape(images: Tensor, data: ImageData) -> str:
    """Advice for images of another shape than the data."""
    channels, side = data.channels, data.side
    if not len(images):
        return "It holds no image: fetch or make the file again."
    if images.ndim == 2 and images.shape[1] == channels * side[0] * side[1]:
        return (
            "Each row has the right number of values, but the file does not say in which order. "
            f"Load it yourself and save the images as [image, {channels}, {side[0]}, {side[1]}]."
        )
    if images.ndim == 5:
        return (
            "There is one axis too many, such as one axis for classes and one for the images of a "
            "class. Load it yourself, bring the images to [image, channel, height, width] and "
            "give one label for every image."
        )
    if tuple(images.shape) in ((channels, *side), (*side, channels)):
        return (
            "It is one image without an axis for images. Load it yourself and save it as "
            f"[image, {channels}, {side[0]}, {side[1]}], with images of every class."
        )
    own = (1, *images.shape[1:]) if images.ndim == 3 else images.shape[1:]
    if images.ndim == 4 and own[0] not in (1, 3) and own[2] in (1, 3):
        own = (own[2], own[0], own[1])
    if len(own) != 3:
        return "Give the file of the images, and the data that the set was made of."
    if own[0] != channels:
        kinds = {1: "grey", 3: "colour"}
        theirs, ours = (kinds.get(count, f"{count}-channel") for count in (own[0], channels))
        return (
            f"The file holds {theirs} images and {data.name} {ours} ones. Give the data that the "
            "set was made of."
        )
    if own[1] == own[2]:
        return (
            "Give the data that the set was made of; if that is this data at another size, bring "
            f"it to the size of the file with --image-size {own[1]} (image_size={own[1]} of "
            "load_data)."
        )
    return "Give the data that the set was made of, with images of the size of the file."


def labels_of(
    labels: Tensor,
    *,
    classes: int,
    images: int,
    learned: Learned,
    by_class: bool,
    name: str,
    title: str,
    class_: Tensor | None = None,
) -> RowLabels:
    """The class of every image, and its learned labels if there are any.

    A learned label may have changed so much that its highest class is no longer the class of the
    image. If the rows are ordered class by class, equally many of each, the position of a row says
    its class.

    Args:
        labels: Integers ``[row]``, or ``[row, class_]``.
        classes: Number of classes.
        images: Number of images.
        learned: The values of ``[row, class_]``.
        by_class: Whether the code that wrote the file orders the rows class by class.
        name: Name of the data set, for errors.
        title: Name of the file in errors.
        class_: The class of every row, if the file has it in addition to learned labels.

    Raises:
        DataError: If the labels do not fit the images or the classes of the data set, or the class
            of a row is not certain.
    """
    if labels.ndim not in (1, 2) or len(labels) != images:
        raise DataError(
            f"{title}: {images} images, but labels of shape {list(labels.shape)}. There must be "
            "one label for every image. If the labels are those of another file, give the right "
            "file with --labels FILE (labels=), where the format has one."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        return RowLabels(class_=_numbers(labels, classes=classes, name=name, title=title))
    if labels.shape[1] != classes:
        raise DataError(
            f"{title}: learned labels are for {labels.shape[1]} classes, but {name} has "
            f"{classes}. Give the data that the set was made of."
        )
    soft = labels.to(torch.float32)
    if bad := int((~torch.isfinite(soft)).any(dim=1).sum()):
        why = (
            "The released code begins with NaN where no expert classifies the image correctly"
            if learned == "logits"
            else "The run that wrote it diverged"
        )
        raise DataError(
            f"{title}: the learned labels of {bad} of {images} rows are NaN or infinite. {why}; "
            "take another file of this run, or one of another run."
        )
    highest = soft.argmax(dim=1)
    if float(soft.max() - soft.min()) < _SAME:
        raise DataError(
            f"{title}: all entries of the labels are the same, so no row says its class. Give the "
            "file of the right labels, or save class numbers in place of them."
        )
    one_hot = torch.nn.functional.one_hot(highest, classes).bool()
    plain = all(float(x.max() - x.min()) < _SAME for x in (soft[one_hot], soft[~one_hot]))
    if plain and _balanced(highest, classes):
        return RowLabels(class_=highest)
    sums = soft.sum(dim=1)
    probable = float(soft.min()) >= -_SAME and float((sums - 1).abs().max()) <= 1e-3
    if learned == "logits":
        if probable:
            raise DataError(
                f"{title}: labels are probabilities already, whose rows sum to 1, and the softmax "
                "of them would be almost equal for all classes. Give --format mtt (format='mtt'), "
                "or the file of the logits."
            )
        soft = soft.softmax(dim=1)
    elif learned == "centred":
        soft = soft + 1 / classes
    elif not probable:
        if plain:
            return RowLabels(class_=highest)
        raise DataError(
            f"{title}: learned labels are no probabilities: rows sum to {float(sums.min()):.3g}.."
            f"{float(sums.max()):.3g}, the least entry is {float(soft.min()):.3g}. If they are "
            "logits, as DATM and PAD write them, give --format datm or pad (format='datm'), or "
            "load the file yourself and save torch.softmax(labels, 1); or save labels.argmax(1) "
            "for plain classes."
        )
    soft = soft.contiguous()
    if class_ is not None:
        return RowLabels(
            class_=_numbers(class_, classes=classes, name=name, title=title), soft=soft
        )
    return _made_for(highest, soft, classes=classes, by_class=by_class, title=title)


def _numbers(labels: Tensor, *, classes: int, name: str, title: str) -> Tensor:
    whole = labels.to(torch.int64)
    if labels.dtype == torch.bool or bool((whole != labels).any()):
        kind = str(labels.dtype).removeprefix("torch.")
        raise DataError(
            f"{title}: labels of {kind} are no whole class numbers. Save class numbers 0, 1, 2, "
            "..., or one row of probabilities per image."
        )
    low, high = int(whole.min()), int(whole.max())
    if low == 1 and high == classes:
        raise DataError(
            f"{title}: labels run from 1 to {high}, but the {classes} classes of {name} are 0.."
            f"{classes - 1}: the file counts from 1. Load it yourself, subtract 1 from the labels "
            "and save it again."
        )
    if low < 0 or high >= classes:
        raise DataError(
            f"{title}: labels run from {low} to {high}, but {name} has {classes} classes "
            f"(0..{classes - 1}). Give the data that the set was made of."
        )
    return whole


def _made_for(
    highest: Tensor, soft: Tensor, *, classes: int, by_class: bool, title: str
) -> RowLabels:
    """The class of each row with a learned label: by its position if that is certain.

    It is certain if all classes have equally many rows, and most rows have their highest entry in
    the class of their position. If the code is not known to write rows in this order, this must
    hold for nearly all rows, and for so many that it cannot be chance.
    """
    rows = len(highest)
    place = torch.arange(classes).repeat_interleave(rows // classes)
    moved = int((place != highest).sum()) if len(place) == rows else rows
    if not moved:
        return RowLabels(class_=highest, soft=soft)
    kept = rows - moved
    if kept > rows / 2 if by_class else (kept >= 10 and kept >= 0.9 * rows):
        first = int((place != highest).nonzero()[0, 0])
        return RowLabels(
            class_=place,
            soft=soft,
            notices=(
                f"{title}: the learned labels of {moved} of {rows} rows have their highest entry "
                f"in another class than the row was made for (the first is row {first}: made for "
                f"class {int(place[first])}, highest in {int(highest[first])}). The rows are "
                f"ordered class by class, {rows // classes} of each, so the class of a row was "
                "taken from its place, and the learned labels were left as they are.",
            ),
        )
    if _balanced(highest, classes):
        return RowLabels(class_=highest, soft=soft)
    counts = torch.bincount(highest, minlength=classes)
    raise DataError(
        f"{title}: the classes of the rows are not certain. The highest entries of the learned "
        f"labels fall {int(counts.min())} times into class {int(counts.argmin())} and "
        f"{int(counts.max())} times into class {int(counts.argmax())}, so some have moved to "
        "another class, and the rows are not ordered class by class. Load the file yourself and "
        "order its rows class by class; or save class numbers in place of the learned labels."
    )


def _balanced(class_: Tensor, classes: int) -> bool:
    counts = torch.bincount(class_, minlength=classes)
    return int(counts.min()) == int(counts.max())


def ranked(
    class_: Tensor, data: ImageData, *, ipc: int | None, title: str, parts: str = ""
) -> tuple[Tensor, Tensor]:
    """The images that are kept, and their ranks.

    Args:
        class_: The class of every image, in 0..classes - 1.
        data: The data set.
        ipc: Number of first images of every class that are kept; ``None`` keeps all.
        title: Name of the file in errors.
        parts: Advice if the file is one part of a set, as text after "if it is,".

    Returns:
        Positions ``[row]``, ascending, and the rank of each, ``[row]``.

    Raises:
        DataError: If classes have different numbers of images, or fewer than ``ipc``.
    """
    counts = torch.bincount(class_, minlength=data.classes)
    low, high = int(counts.min()), int(counts.max())
    few, many = (data.class_names[int(i)] for i in (counts.argmin(), counts.argmax()))
    if not low:
        missing = [data.class_names[i] for i in (counts == 0).nonzero()[:, 0].tolist()]
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{title}: holds images of {data.classes - len(missing)} of the {data.classes} classes "
            f"of {data.name}, and none of {', '.join(map(repr, missing[:_SHOWN]))}{more}. It may "
            f"be one part of a set: if it is, {parts or 'join all parts into one file'}. If it is "
            "a set of fewer classes, give the data that it was made of."
        )
    if ipc is not None and low < ipc:
        raise DataError(
            f"{title}: ipc = {ipc}, but class {few!r} has {low} images. Give at most --ipc {low} "
            f"(ipc={low})."
        )
    if ipc is None and low != high:
        raise DataError(
            f"{title}: class {few!r} has {low} images and class {many!r} has {high}, but a "
            f"condensed set has as many of every class. Give --ipc {low} (ipc={low}) to keep the "
            f"first {low} of every class."
        )
    rank = torch.empty_like(class_)
    for label in range(data.classes):
        own = (class_ == label).nonzero()[:, 0]
        rank[own] = torch.arange(len(own))
    kept = torch.arange(len(class_)) if ipc is None else (rank < ipc).nonzero()[:, 0]
    return kept, rank[kept]
