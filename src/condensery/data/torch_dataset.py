"""Map-style torch data sets that yield ``(image, class index)``.

An image is a picture (Pillow), a tensor (HW, or with 1 or 3 channels first or last) or a NumPy
array. Every item is asked for once, in order. A ``classes`` attribute names the classes.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condensery.data.fit import fit, fit_all
from condensery.data.labels import as_labels
from condensery.data.modes import eight_bit, is_grey, upright
from condensery.data.pixels import as_bytes, channels_first
from condensery.data.skipped import Skipped
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["MapStyle", "read"]


@runtime_checkable
class MapStyle(Protocol):
    """Anything with a length and items."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


def read(dataset: MapStyle, *, size: int | None, skip_corrupt: bool) -> Source:
    """Read every item.

    Args:
        dataset: Yields ``(image, class index)``. Its transforms should neither augment nor
            normalise: what it yields once is what is kept.
        size: Side of the square to bring images to, or ``None`` if all have one size.
        skip_corrupt: Whether to go on without items that cannot be read.

    Raises:
        DataError: If an item is no such pair, or its image cannot be read or has another size.
    """
    title = type(dataset).__name__
    images: list[Tensor] = []
    labels: list[object] = []
    skipped: list[Skipped] = []
    for index in range(len(dataset)):
        item = _item(dataset, index, size=size, title=title)
        if not isinstance(item, Exception):
            images.append(item[0])
            labels.append(item[1])
        elif skip_corrupt:
            skipped.append(Skipped(f"item {index}", str(item) or type(item).__name__))
        else:
            raise DataError(
                f"{title}: item {index} cannot be read ({item}). Replace or remove it, or go on "
                "without with skip_corrupt=True."
            ) from item
    if not images:
        raise DataError(
            f"{title}: none of its {len(dataset)} items is an image. Give one that has images."
        )
    classes = getattr(dataset, "classes", None)
    return Source(
        title=title,
        train=Part(
            images=_joined(images, title=title),
            labels=as_labels(labels, images=len(images), title=title),
        ),
        class_names=tuple(str(name) for name in classes) if classes else None,
        skipped=tuple(skipped),
    )


def _item(
    dataset: MapStyle, index: int, *, size: int | None, title: str
) -> tuple[Tensor, object] | Exception:
    """An image as bytes and its label, or why it cannot be read."""
    try:
        item = dataset[index]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise DataError(
                f"{title}: item {index} is a {type(item).__name__}, not a pair (image, class "
                "index). Wrap the data set so that it yields pairs."
            )
        image, label = item
        pixels = _bytes(image, size=size, title=f"{title}[{index}]")
    except (OSError, SyntaxError, ValueError) as error:  # what damaged files raise
        return error
    return pixels, label.tolist() if isinstance(label, (Tensor, np.ndarray)) else label


def _bytes(image: object, *, size: int | None, title: str) -> Tensor:
    """One image as ``[channel, height, width]``."""
    if isinstance(image, Image.Image):
        grey = is_grey(image)
        flat = eight_bit(upright(image), grey=grey)
        array = np.array(fit(flat, size) if size else flat)
        return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1)
    if not isinstance(image, (np.ndarray, Tensor)):
        raise DataError(
            f"{title}: the image is a {type(image).__name__}, but only pictures (Pillow), tensors "
            "and NumPy arrays are read."
        )
    pixels = channels_first(as_bytes(image, title=title)[None], title=title)
    return (fit_all(pixels, size) if size else pixels)[0]


def _joined(images: list[Tensor], *, title: str) -> Tensor:
    """Stack images of one size; grey ones become colour if any is."""
    channels = max(len(image) for image in images)
    height, width = images[0].shape[1:]
    joined = torch.empty((len(images), channels, height, width), dtype=torch.uint8)
    for index, image in enumerate(images):
        if image.shape[1:] != (height, width):
            raise DataError(
                f"{title}: images have different sizes: item 0 is {height} x {width}, item "
                f"{index} is {image.shape[1]} x {image.shape[2]} (height x width). Give size=: "
                "the shorter side is resized to it, then the centre is cropped."
            )
        joined[index] = image  # one grey channel is repeated
    return joined
