"""A released set becomes a condensed set of ours: read, checked, un-normalised, ranked.

Nothing is guessed: what a file leaves open is asked for. What was done is recorded in the set's
recipe under ``imported``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condensery.artifact import CondensedSet
from condensery.data import Data, ImageData
from condensery.errors import ConfigError, DataError, nearest
from condensery.importing.choices import check_choices, decoder_for, layout_of
from condensery.importing.formats import Format, Found, Where
from condensery.importing.rows import class_indices, fitting_images, ranked, relabelled
from condensery.importing.spaces import space_of, strayed
from condensery.types import Examples

__all__ = ["DTYPES", "import_set"]

DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}
"""What stored images may be, by name."""


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
    step_size: float | None = None,
    ipc: int | None = None,
    dtype: str = "uint8",
    name: str | None = None,
    created: str | None = None,
) -> CondensedSet:
    """Read a set that another code released; nothing in the file is executed.

    The rank of an image is its place among those of its class in the file, so the set of size
    ``k`` is the first ``k`` of every class: a *cut* of a set that was made for its full size
    (the baseline C of Multisize Dataset Condensation).

    Args:
        path: The file, or the folder of images.
        format: A key of ``FORMATS``: whose code wrote it.
        data: The data set that it was made of; its training images give classes, shape and,
            for ZCA, the whitening.
        experiment: dc, dsa, dm: which of the file's experiments, from 0 (the default).
        labels: mtt, kip: the file of the labels, if it is not named like that of the images.
        factor: idc, dream, mdc (needed there), folder: crops per side of a stored image.
        order: With a factor: ``"image"``, size ``k`` is the first ``k`` stored images, or
            ``"crop"``, the first ``k * factor^2`` crops, crop position first, as the released
            MDC code counts (the default of mdc).
        mean: Undo a normalisation by these: one number a channel, or one for all. ``[0]`` with
            ``std=[1]`` says that the file holds pixels.
        std: As ``mean``.
        zca: mtt, kip: whether the images are ZCA-whitened. MTT files do not say it.
        step_size: mtt: the learned step size, where no ``lr_*.pt`` lies beside the file.
        ipc: Keep the first images of every class only, so many.
        dtype: Of the stored images: ``"uint8"``, ``"float16"`` or ``"float32"``. Values outside
            [0, 1] are clamped; the record says how many there were.
        name: Of the set, for people.
        created: Text for the file's ``created``; the time now if not given.

    Returns:
        The set, with the mean and deviation of ``data``, or with the whitening that it was made
        for: it is evaluated like any other.

    Raises:
        ConfigError: If a choice means nothing for the format, or cannot work.
        DataError: If the file cannot be read, does not fit the data, or leaves open how its
            images were normalised; the message says what to pass.
    """
    path = Path(path).expanduser()
    layout = layout_of(format)
    choices = {
        "experiment": experiment,
        "labels": labels,
        "factor": factor,
        "order": order,
        "mean": mean,
        "std": std,
        "zca": zca,
        "step_size": step_size,
    }
    check_choices(choices, format, layout)
    decoder = decoder_for(format, layout, factor=factor, order=order, ipc=ipc, data=data.train)
    if dtype not in DTYPES:
        raise ConfigError(
            f"dtype = {dtype!r} is unknown; known are {', '.join(DTYPES)}.{nearest(dtype, DTYPES)}"
        )
    found = layout.read(
        Where(
            file=path,
            labels=None if labels is None else Path(labels).expanduser(),
            experiment=experiment or 0,
        )
    )
    title, train = str(path), data.train
    images = fitting_images(found.images, train, title=title)
    if (images.dtype == torch.uint8) != (layout.stores == "bytes"):
        raise DataError(f"{title}: holds bytes, but files of format {format} hold floats.")
    class_, soft = _classes(found, train, images=len(images), layout=layout, title=title)
    kept, rank = ranked(class_, train, ipc=ipc, title=title)
    space = space_of(
        images,
        method=format,
        layout=layout,
        file=path.name,
        data=train,
        mean=mean,
        std=std,
        zca=zca,
    )
    pixels = space.undo(images[kept])
    share, excess = strayed(pixels)
    stored = Examples(
        images=pixels,
        labels=class_[kept] if soft is None else soft[kept],
        class_=class_[kept],
        rank=rank,
    )
    size = int(rank.max()) + 1
    record: dict[str, Any] = {
        "format": format,
        "file": path.name,
        **found.facts,
        "normalisation": dict(space.record),
        "clamped": share,
        "largest_excess": excess,
        "labels": "hard" if soft is None else "learned",
        "rows": len(images),
    }
    learned = found.step_size if step_size is None else float(step_size)
    return CondensedSet.from_stored(
        stored,
        name=name or f"{data.name}-{format}-ipc{size}",
        class_names=train.class_names,
        decode=decoder.decode_json(),
        mean=train.mean if space.whitening is None else space.whitening.mean,
        std=train.std if space.whitening is None else space.whitening.std,
        zca=None if space.whitening is None else space.whitening.zca,
        method=format,
        recipe={"method": format, "ipc": size, "imported": record},
        seed=0,
        data={
            "name": data.name,
            "fingerprint": train.fingerprint,
            "images": len(train),
            "classes": train.classes,
        },
        created=_now() if created is None else created,
        dtype=DTYPES[dtype],
        learned_step_size=learned,
    )


def _classes(
    found: Found, data: ImageData, *, images: int, layout: Format, title: str
) -> tuple[Tensor, Tensor | None]:
    if found.class_names is not None:
        return relabelled(found.labels, found.class_names, data, title=title), None
    centred = layout.learned == "centred"
    return class_indices(found.labels, data, images=images, centred=centred, title=title)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
