"""Map-style torch data sets that yield ``(image, class index)``, or dicts of both.

An image is a picture (Pillow), a tensor (HW, or with 1 or 3 channels first or last) or a NumPy
array. Every item is asked for once, in order. What the attributes ``classes``, ``class_to_idx`` or
``features`` say names the classes (``torch_classes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from condensery.data.classes import natural_order
from condensery.data.decoding.decode import Decoding
from condensery.data.decoding.pictures import eight_bit, fit, fit_all, is_grey
from condensery.data.decoding.pixels import as_bytes, channels_first
from condensery.data.decoding.values import Conversion, NoScale
from condensery.data.labels import as_labels
from condensery.data.readers.torch_classes import TorchClasses, classes_of, declared
from condensery.data.skipped import Skipped
from condensery.data.source import Source, Split
from condensery.errors import DataError

_IMAGES = ("image", "img", "images", "pixel_values")
_LABELS = ("label", "labels", "fine_label", "target", "targets", "class")
_TRIED = 1000  # items that are looked at to find the range of values without a scale


@runtime_checkable
class MapStyle(Protocol):
    """Anything with a length and items."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


def refuse_stream(dataset: object) -> None:
    """Refuse a torch data set that only gives its items one after the other."""
    if isinstance(dataset, IterableDataset):
        raise DataError(
            f"{type(dataset).__name__}: is an IterableDataset, whose items have no positions. Give "
            "a map-style data set, with __len__ and __getitem__; list(dataset) in one is enough, "
            "if all items fit into memory."
        )


def read(dataset: MapStyle, how: Decoding) -> Source:
    """Read every item.

    Args:
        dataset: Yields ``(image, class)`` or a dict of both, such as ``{"image": ..., "label":
            ...}``. A class is an index or a name. Transforms should neither augment nor normalise:
            what the data set yields once is what is kept.
        how: How images are read; all are held in memory.
    """
    refuse_stream(dataset)
    title = dataset.__name__ if isinstance(dataset, type) else type(dataset).__name__
    count = _length(dataset, title=title)
    values = Conversion(how.value_range)
    images: list[Tensor] = []
    labels: list[object] = []
    skipped: list[Skipped] = []
    no_scale: list[tuple[str, NoScale]] = []
    for index in range(count):
        item = _item(dataset, index, size=how.size, title=title, values=values)
        if not isinstance(item, Exception):
            images.append(item[0])
            labels.append(item[1])
            continue
        if isinstance(item, NoScale):
            no_scale.append((f"item {index}", item))
        elif not how.skip_corrupt and not no_scale:
            raise DataError(
                f"{title}: item {index} cannot be read ({_reason(item)}). Replace or remove it, or "
                "go on without with skip_corrupt=True."
            ) from item
        skipped.append(Skipped(f"item {index}", _reason(item)))
        if no_scale and not how.skip_corrupt and len(skipped) == _TRIED:
            break
    if no_scale and not (how.skip_corrupt and images):
        raise NoScale.together(title, no_scale)
    if not images:
        first = f" ({skipped[0]})" if skipped else ""
        raise DataError(
            f"{title}: none of its {count} items is an image{first}. Give one that has images."
        )
    classes = classes_of(dataset, title=title)
    indices, names = _labels(labels, classes, title=title)
    return Source(
        title=title,
        train=Split(images=_joined(images, title=title), labels=indices),
        class_names=names,
        skipped=tuple(skipped),
        notices=values.notices(title) + classes.notices,
    )


def _length(dataset: MapStyle, *, title: str) -> int:
    try:
        return len(dataset)
    except MemoryError:
        raise
    except Exception as error:
        what = "is a class; give an object of it" if isinstance(dataset, type) else _reason(error)
        raise DataError(
            f"{title}: its length cannot be had ({what}). A map-style data set has __len__ and "
            "__getitem__."
        ) from error


def _item(
    dataset: MapStyle, index: int, *, size: int | None, title: str, values: Conversion
) -> tuple[Tensor, object] | Exception:
    """An image as bytes and its label, or why it cannot be read."""
    try:
        item = dataset[index]
        image, label = _pair(item, dataset, title=f"{title}: item {index}")
        pixels = _bytes(image, size=size, title=f"{title}[{index}]", values=values)
    except NoScale as error:
        return error
    except (DataError, MemoryError):
        raise
    except Exception as error:  # libraries that decode images raise errors of any type
        if "can't allocate memory" in str(error):
            raise
        return error
    return pixels, _label(label, title=f"{title}: item {index}")


def _reason(error: Exception) -> str:
    """What an error says, in one line; its type where the text alone would say little."""
    if isinstance(error, NoScale):
        return error.reason
    text = " ".join(str(error).split())
    if text and isinstance(error, (OSError, SyntaxError, ValueError, RuntimeError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _pair(item: object, dataset: object, *, title: str) -> tuple[object, object]:
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    if not isinstance(item, Mapping):
        long = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        raise DataError(
            f"{title} is a {type(item).__name__}{long}, not a pair (image, class index), nor a "
            "dict with 'image' and 'label'. Wrap the data set so that it yields pairs."
        )
    found: list[object] = []
    for key, usual in zip(declared(dataset), (_IMAGES, _LABELS), strict=True):
        name = next((name for name in (usual[0], key, *usual) if name in item), None)
        if name is None:
            raise DataError(
                f"{title} is a dict with the keys {', '.join(map(str, item))}, and none of them "
                f"is known to hold the {usual[0]}. Name it {usual[0]!r}, or wrap the data set so "
                "that it yields pairs (image, class index)."
            )
        found.append(item[name])
    return found[0], found[1]


def _bytes(image: object, *, size: int | None, title: str, values: Conversion) -> Tensor:
    """One image as ``[channel, height, width]``."""
    if isinstance(image, Image.Image):
        flat = eight_bit(image, grey=is_grey(image), values=values)
        array = np.array(fit(flat, size) if size else flat)
        return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1)
    if not isinstance(image, (np.ndarray, Tensor)):
        raise DataError(
            f"{title}: the image is a {type(image).__name__}, but only pictures (Pillow), tensors "
            "and NumPy arrays are read."
        )
    pixels = channels_first(as_bytes(image[None], title=title, values=values), title=title)
    return (fit_all(pixels, size) if size else pixels)[0]


def _label(label: object, *, title: str) -> object:
    """A label as an ``int`` or a ``str``; what else numbers are is left to ``as_labels``."""
    if isinstance(label, (Tensor, np.ndarray, np.generic)):
        label = label.tolist()
    while isinstance(label, (list, tuple)) and len(label) == 1:
        label = label[0]
    if isinstance(label, Enum):
        label = label.value
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if isinstance(label, bool):
        return int(label)
    if not isinstance(label, (int, float, str, list, tuple)):
        what = "no label (None)" if label is None else f"a {type(label).__name__} as its label"
        raise DataError(
            f"{title} has {what}, but a class index or a class name is needed. "
            "Leave such items out, or wrap the data set so that it yields (image, class index)."
        )
    return label


def _labels(
    labels: list[Any], classes: TorchClasses, *, title: str
) -> tuple[Tensor, tuple[str, ...] | None]:
    """Class indices, and the names of the classes if they are known."""
    words = list(dict.fromkeys(label for label in labels if isinstance(label, str)))
    known: tuple[object, ...] = classes.numbers or ()
    names = None
    if words:
        odd = next((label for label in labels if not isinstance(label, str)), None)
        if odd is not None:
            raise DataError(
                f"{title}: some labels are names, such as {words[0]!r}, and others are not, such "
                f"as {odd!r}. Give one kind."
            )
        known = names = classes.names or tuple(natural_order(words))
        for word in words:
            if names.count(word) != 1:
                why = "is none of them" if word not in names else "stands for several of them"
                raise DataError(
                    f"{title}: a label is {word!r}, but its classes are {_listed(names)}, and the "
                    f"label {why}. Give class indices, or correct the names of the classes."
                )
    if known:
        position = {label: i for i, label in enumerate(known)}
        odd = next((label for label in labels if label not in position), None)
        if odd is not None:
            raise DataError(
                f"{title}: there is a label {odd!r}, but its classes are numbered "
                f"{_listed(known)}. Correct either of them."
            )
        labels = [position[label] for label in labels]
    indices = as_labels(labels, images=len(labels), title=title)
    return indices, classes.named(int(indices.max())) or names


def _listed(entries: tuple[object, ...]) -> str:
    more = f", ... ({len(entries)} in all)" if len(entries) > 10 else ""
    return ", ".join(map(str, entries[:10])) + more


def _joined(images: list[Tensor], *, title: str) -> Tensor:
    """Stack images of one size; grey ones become colour if any is."""
    side = images[0].shape[1:]
    channels = max(len(image) for image in images)
    joined = torch.empty((len(images), channels, *side), dtype=torch.uint8)
    for index, image in enumerate(images):
        if image.shape[1:] != side:
            raise DataError(
                f"{title}: images have different sizes: item 0 is {side[0]} x {side[1]}, item "
                f"{index} is {image.shape[1]} x {image.shape[2]} (height x width). Give "
                "image_size=: the shorter side is resized to it, then the centre is cropped."
            )
        joined[index] = image  # one grey channel is repeated
    return joined
