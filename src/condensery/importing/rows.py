"""Images and labels of a file, made to fit a data set, and put in order: class, then rank.

The rank of an image is its place among those of its class in the file. Knows nothing about
formats or normalisation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from condensery.data import ImageData
from condensery.errors import DataError

__all__ = ["class_indices", "fitting_images", "ranked", "relabelled"]

_SAME = 1e-4  # labels that differ by less are those of all, not learned ones


def fitting_images(images: Tensor, data: ImageData, *, title: str) -> Tensor:
    """Images in the shape of the data set, ``[row, channel, height, width]``.

    Args:
        images: NCHW, NHWC, or NHW for grey ones.
        data: The data set.
        title: How errors call the file.

    Raises:
        DataError: If they have another shape, are not floats or bytes, or not finite.
    """
    channels, (height, width) = data.channels, data.side
    shape = tuple(images.shape[1:])
    if images.ndim == 3 and channels == 1 and shape == (height, width):
        images = images[:, None]
    elif (
        images.ndim == 4 and shape == (height, width, channels) and shape != (channels, *data.side)
    ):
        images = images.permute(0, 3, 1, 2)
    if not len(images) or images.ndim != 4 or tuple(images.shape[1:]) != (channels, height, width):
        raise DataError(
            f"{title}: holds images of shape {list(images.shape)}, but those of {data.name} are "
            f"{channels} x {height} x {width} (channel, height, width). Give the data that the "
            "set was made of, or bring it to that size with size= (--size)."
        )
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.is_floating_point():
        raise DataError(f"{title}: holds images of {images.dtype}, but released sets hold floats.")
    images = images.to(torch.float32).contiguous()
    bad = int((~torch.isfinite(images)).sum())
    if bad:
        raise DataError(
            f"{title}: {bad} of {images.numel()} values are NaN or infinite. The run that wrote it "
            "diverged; take an earlier file of it."
        )
    return images


def class_indices(
    labels: Tensor, data: ImageData, *, images: int, centred: bool, title: str
) -> tuple[Tensor, Tensor | None]:
    """The class of every image, and its learned labels if it has ones.

    Args:
        labels: Whole numbers ``[row]``, or ``[row, class_]``.
        data: The data set.
        images: How many there are.
        centred: Whether ``1 / classes`` was taken from every entry of ``[row, class_]``.
        title: How errors call the file.

    Returns:
        ``int64 [row]``; and ``float32 [row, class_]`` with the ``1 / classes`` put back, or
        ``None`` where every row says its class and no more.

    Raises:
        DataError: If they do not fit the images or the classes of the data set.
    """
    classes = data.classes
    if labels.ndim not in (1, 2) or len(labels) != images:
        raise DataError(
            f"{title}: {images} images, but labels of shape {list(labels.shape)}. There must be "
            "one label for every image."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        whole = labels.to(torch.int64)
        if labels.dtype == torch.bool or bool((whole != labels).any()):
            raise DataError(f"{title}: labels of {labels.dtype} are no whole class numbers.")
        low, high = int(whole.min()), int(whole.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"{title}: labels run from {low} to {high}, but {data.name} has {classes} classes "
                f"(0..{classes - 1}). Give the data that the set was made of."
            )
        return whole, None
    if labels.shape[1] != classes:
        raise DataError(
            f"{title}: learned labels are for {labels.shape[1]} classes, but {data.name} has "
            f"{classes}. Give the data that the set was made of."
        )
    soft = labels.to(torch.float32)
    if not bool(torch.isfinite(soft).all()):
        raise DataError(f"{title}: some learned labels are NaN or infinite.")
    class_ = soft.argmax(dim=1)
    one_hot = torch.nn.functional.one_hot(class_, classes).bool()
    if all(float(x.max() - x.min()) < _SAME for x in (soft[one_hot], soft[~one_hot])):
        return class_, None
    soft = soft + 1 / classes if centred else soft
    sums = soft.sum(dim=1)
    if not centred and (float(soft.min()) < -_SAME or float((sums - 1).abs().max()) > 1e-3):
        raise DataError(
            f"{title}: learned labels are no probabilities: rows sum to {float(sums.min()):.3g}.."
            f"{float(sums.max()):.3g}, the least entry is {float(soft.min()):.3g}. Save their "
            "softmax, or their argmax for plain classes."
        )
    return class_, soft.contiguous()


def relabelled(class_: Tensor, names: Sequence[str], data: ImageData, *, title: str) -> Tensor:
    """Classes that are numbered in the order of ``names``, as the data set numbers them.

    Names agree if they have the same letters and digits, whatever their case: a folder cannot
    be called ``T-shirt/top``.

    Raises:
        DataError: If the names are not those of the data set.
    """
    ours = [_plain(name) for name in data.class_names]
    theirs = [_plain(name) for name in names]
    odd = [name for name, plain in zip(names, theirs, strict=True) if plain not in ours]
    if odd or sorted(ours) != sorted(theirs) or len(set(ours)) != len(ours):
        first = f"{odd[0]!r} is none of them" if odd else f"there are {len(names)} folders"
        listed = ", ".join(data.class_names[:5]) + (", ..." if data.classes > 5 else "")
        raise DataError(
            f"{title}: the classes of {data.name} are {listed} ({data.classes}), but {first}. Name "
            "the folders like the classes of the data."
        )
    return torch.tensor([ours.index(name) for name in theirs])[class_]


def ranked(
    class_: Tensor, data: ImageData, *, ipc: int | None, title: str
) -> tuple[Tensor, Tensor]:
    """Which images are kept, and their rank.

    Args:
        class_: Of every image, in 0..classes - 1.
        data: The data set.
        ipc: Keep the first of every class, so many; ``None`` keeps all.
        title: How errors call the file.

    Returns:
        Positions ``[row]``, ascending, and the rank of each, ``[row]``.

    Raises:
        DataError: If classes hold different numbers of images, or fewer than ``ipc``.
    """
    counts = torch.bincount(class_, minlength=data.classes)
    low, high = int(counts.min()), int(counts.max())
    few, many = (data.class_names[int(i)] for i in (counts.argmin(), counts.argmax()))
    if ipc is not None and low < ipc:
        raise DataError(
            f"{title}: ipc = {ipc}, but class {few!r} has {low} images. Give at most {low}."
            if low
            else f"{title}: class {few!r} has no image. Every class needs one."
        )
    if ipc is None and low != high:
        cut = (
            f" Give ipc={low} (--ipc {low}) to keep the first {low} of every class." if low else ""
        )
        raise DataError(
            f"{title}: class {few!r} has {low} images and class {many!r} has {high}, but a "
            f"condensed set has as many of every class.{cut}"
        )
    rank = torch.empty_like(class_)
    for label in range(data.classes):
        own = (class_ == label).nonzero()[:, 0]
        rank[own] = torch.arange(len(own))
    kept = torch.arange(len(class_)) if ipc is None else (rank < ipc).nonzero()[:, 0]
    return kept, rank[kept]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
