"""A released set becomes a condensed set: it is read, checked, un-normalised and ranked.

Nothing is guessed: if a file leaves something open, the user must say it. All steps are recorded in
the recipe of the set under ``imported``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.importing.choices import check_choices, check_names, decoder_for
from condensery.condensed.importing.formats import FORMATS, ImportChoices, ReadSet, SetLocation
from condensery.condensed.importing.rows import fitting_images, labels_of, ranked
from condensery.condensed.importing.spaces import space_of, strayed
from condensery.data import Data
from condensery.data.classes import ClassList, match
from condensery.data.known import known_by_name
from condensery.data.labels import default_names
from condensery.errors import ConfigError, DataWarning, nearest
from condensery.types import Examples

DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}
"""The allowed dtypes of stored images by name."""


def import_set(
    path: str | Path,
    *,
    format: str,
    data: Data,
    experiment: int | None = None,
    labels: str | Path | None = None,
    factor: int | None = None,
    order: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    zca: bool | None = None,
    learned_lr: float | None = None,
    classes: Sequence[str] | None = None,
    ipc: int | None = None,
    dtype: str = "uint8",
    name: str | None = None,
    created: str | None = None,
) -> CondensedSet:
    """Read a set that another code released; nothing in the file is executed.

    The rank of an image is its position among the images of its class in the file, so the set of
    size ``k`` has the first ``k`` images of every class: a *cut* of a set that was made for its
    full size (the baseline C of Multisize Dataset Condensation).

    Classes are matched by name, never by position. Numbers in a file mean the classes of a known
    data set in the order of the code that wrote it; if the data has numbers, too, numbers match.
    Classes that cannot be matched for certain are refused. ``recipe.imported.classes`` of the set
    says which class each label of the file became.

    Input that was read but may be wrong gives a ``DataWarning``.

    Args:
        path: The file, or the folder of images.
        format: A key of ``FORMATS``: the code that wrote the file.
        data: The data set of the file; its training images give classes, shape and, for ZCA, the
            whitening.
        experiment: dc, dsa, dm: index of the experiment in the file, from 0 (the default).
        labels: mtt, datm, pad, kip: the file of the labels, if its name does not follow that of the
            images.
        factor: idc, dream, mdc, dance, ncfm (needed there), folder: crops per side of a stored
            image.
        order: With a factor: ``"image"``, size ``k`` is the first ``k`` stored images, or
            ``"crop"``, the first ``k * factor^2`` crops by crop position first, as in the released
            MDC code (the default of mdc).
        mean: Mean of a normalisation to undo: one number for each channel, or one for all. ``[0]``
            with ``std=[1]`` says that the file contains pixels.
        std: As ``mean``.
        zca: mtt, datm, pad, kip: whether the images are ZCA-whitened. Files of the first three do
            not say it; for CIFAR and TinyImageNet, those of DATM and PAD are taken for whitened
            unless ``zca=False``, with a notice.
        learned_lr: mtt, datm, pad: the learning rate that the set has learned, if there is no
            ``lr_*.pt`` in the folder of the file.
        classes: Names of the labels in the file, in the order of the numbers, if the file has no
            names or other names than ``data``.
        ipc: Keep only so many first images of every class.
        dtype: The dtype of stored images: ``"uint8"``, ``"float16"`` or ``"float32"``. Values
            outside [0, 1] are clamped; the record has their number.
        name: Name of the set for people.
        created: Text for ``created`` of the file; the current time if not given.

    Returns:
        The set, with the mean and deviation of ``data``, or with its whitening. It is evaluated
        like every other set.

    Raises:
        ConfigError: If a choice does not belong to the format, or cannot work.
        DataError: If the file cannot be read, does not fit the data, or leaves open how its
            images were normalised; the message says which argument is needed.
    """
    path, train = Path(path).expanduser(), data.train
    choices = ImportChoices(
        experiment=experiment,
        labels=labels,
        factor=factor,
        order=order,
        mean=mean,
        std=std,
        zca=zca,
        learned_lr=learned_lr,
    )
    check_choices(asdict(choices), format)
    where, title = SetLocation(format=format, file=path, choices=choices), str(path)
    decoder = decoder_for(where, ipc=ipc, data=train)
    if dtype not in DTYPES:
        raise ConfigError(
            f"dtype = {dtype!r} is unknown; known are {', '.join(DTYPES)}.{nearest(dtype, DTYPES)}"
        )
    if classes is not None:
        check_names(classes, data)
    found = where.layout.read(where)
    if factor is None and found.decode is not None and "factor" in found.decode:
        decoder = decoder_for(where, ipc=ipc, data=train, read=found.decode)
    images = fitting_images(found.images, train, title=title)
    names = found.class_names if classes is None else tuple(classes)
    read = labels_of(
        found.labels,
        classes=train.classes if names is None else len(names),
        images=len(images),
        learned=where.layout.learned,
        by_class=where.layout.by_class,
        name=data.name if found.class_names is None else title,
        title=title,
        class_=found.class_,
    )
    matched, to = _matched(found, data, names=names, format=format, title=title)
    class_, soft = to[read.class_], None
    if read.soft is not None:
        soft = torch.empty_like(read.soft)
        soft[:, to] = read.soft
    kept, rank = ranked(class_, train, ipc=ipc, title=title, parts=_other_parts(format, path))
    space = space_of(images, where, train)
    pixels = space.undo(images[kept])
    share, excess = strayed(pixels)
    stored = Examples(
        images=pixels,
        labels=class_[kept] if soft is None else soft[kept],
        class_=class_[kept],
        rank=rank,
    )
    record: dict[str, Any] = {
        "format": format,
        "file": path.name,
        **found.facts,
        "normalisation": dict(space.record),
        "clamped": share,
        "largest_excess": excess,
        "labels": "hard" if soft is None else "learned",
        **({} if soft is None else {"learned_labels": where.layout.learned}),
        "classes": matched,
        "rows": len(images),
    }
    if notices := [*found.notices, *read.notices, *space.notices]:
        record["notices"] = notices
    for notice in notices:
        warnings.warn(notice, DataWarning, stacklevel=2)
    seen, size = space.whitening or train, int(rank.max()) + 1
    return CondensedSet.from_stored(
        stored,
        name=name or f"{data.name}-{format}-ipc{size}",
        class_names=train.class_names,
        decode=decoder.decode_json(),
        mean=seen.mean,
        std=seen.std,
        zca=None if space.whitening is None else space.whitening.zca,
        method=format,
        recipe={"method": format, "ipc": size, "imported": record},
        seed=0,
        data=train.record(),
        created=created or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        dtype=DTYPES[dtype],
        learned_lr=found.learned_lr if learned_lr is None else float(learned_lr),
    )


def _matched(
    found: ReadSet, data: Data, *, names: tuple[str, ...] | None, format: str, title: str
) -> tuple[dict[str, Any], Tensor]:
    """How classes were matched, for the record; and the class of each label of the file."""
    train, ours = data.train, data.train.class_names
    known = known_by_name(data.name, classes=train.classes, channels=train.channels, names=ours)
    numbering = None if known is None else known.numbering()
    own_order = known is not None and numbering is None
    theirs = ClassList(
        title=title,
        names=default_names(len(ours)) if names is None else names,
        numbering=None if known is None else known.numbering(format),
        own_order=own_order,
    )
    order = match(
        ClassList(title=data.name, names=ours, numbering=numbering, own_order=own_order), theirs
    )
    if names is not None:
        by = "the names of the file" if names is found.class_names else "the names given"
    elif theirs.numbering is not None and known is not None:
        by = f"the order in which {format} numbers the classes of {known.name}"
    else:
        by = "number"
    record = {"by": by, "labels": list(order), "names": [ours[label] for label in order]}
    return record, torch.tensor(order)


def _other_parts(format: str, file: Path) -> str:
    """Advice if a file is one part of a set; empty if there is none."""
    number = re.search(r"_(\d+)$", file.stem)
    if not FORMATS[format].by_class or number is None or "images" not in file.name:
        return ""
    stem = file.stem[: number.start()]
    other = f"{stem}_{0 if int(number[1]) else 1}{file.suffix}"
    labels = other.replace("images", "labels", 1)
    return (
        f"put the other parts beside it, such as {other} and {labels}, and they are read together"
    )
