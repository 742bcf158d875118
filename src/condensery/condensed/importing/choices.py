"""Checks, before reading, that the choices belong to a format and can work.

Knows nothing about files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from condensery.condensed.importing.formats import FORMATS, SetLocation
from condensery.data import Data, ImageData
from condensery.errors import ConfigError, nearest
from condensery.parameterizations import MultiFormation, Parameterization, Pixels


def check_choices(choices: Mapping[str, object], format: str) -> None:
    """Refuse an unknown format, and a choice that does not belong to the format.

    Raises:
        ConfigError: Names the nearest format, or the formats that the choice belongs to.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"format = {format!r} is unknown; known are {', '.join(FORMATS)}."
            f"{nearest(format, FORMATS)}"
        )
    for choice, value in choices.items():
        if value is not None and choice not in FORMATS[format].takes:
            owners = [other for other, its in FORMATS.items() if choice in its.takes]
            raise ConfigError(
                f"{choice} = {value!r} means nothing for format {format}; it belongs to "
                f"{', '.join(owners)}. Leave it out, or check the format."
            )
    learned_lr = choices["learned_lr"]
    if isinstance(learned_lr, (int, float)) and not math.isfinite(learned_lr):
        raise ConfigError(
            f"learned_lr = {learned_lr}, but a learned learning rate is a finite number."
        )


def check_names(classes: Sequence[str], data: Data) -> None:
    """Refuse names of labels that are one text, or not one name for each class of the data.

    Raises:
        ConfigError: With the names of the data.
    """
    ours = data.train.class_names
    if isinstance(classes, str):
        raise ConfigError(
            f"classes = {classes!r} is one text, but names are given as a list, such as "
            f"classes={list(ours[:2])!r} with one name per label."
        )
    if len(classes) != len(ours):
        more = ", ..." if len(ours) > 12 else ""
        raise ConfigError(
            f"classes names {len(classes)} classes, {', '.join(classes[:12])}, but {data.name} has "
            f"{len(ours)}, {', '.join(ours[:12])}{more}. Name every label of the file once, in the "
            "order of its numbers, with --classes NAME,NAME,... (classes=[...])."
        )


def decoder_for(
    where: SetLocation,
    *,
    ipc: int | None,
    data: ImageData,
    read: Mapping[str, object] | None = None,
) -> Parameterization:
    """How the stored images of a set decode.

    Args:
        where: The format, and the choices of factor and order.
        ipc: Number of images of every class that are kept, or ``None``.
        data: The training images.
        read: Factor and order in the file, which are used if no factor was given.

    Raises:
        ConfigError: If a choice cannot work, or the factor is needed and not given.
    """
    layout, factor, order = where.layout, where.choices.factor, where.choices.order
    if read is not None:
        factor = int(str(read["factor"]))
        order = order or str(read.get("order", "image"))
    if ipc is not None and ipc < 1:
        raise ConfigError(f"ipc = {ipc}, but at least 1 image per class is kept.")
    if factor is None and layout.stores == "pixels":
        raise ConfigError(
            f"factor is needed: {where.format} stores grids of factor x factor small images, and "
            "the file does not say of how many. Give factor=2 (--factor 2) for the published sets "
            "of small images, 3 for ImageNet, 1 for sets without multi-formation (IDC-I)."
        )
    if factor is not None and not 1 <= factor <= min(data.side):
        raise ConfigError(
            f"factor = {factor}, but images of {data.side[0]} x {data.side[1]} pixels hold 1 to "
            f"{min(data.side)} crops a side."
        )
    counted = layout.order if order is None else order
    if counted not in ("image", "crop"):
        raise ConfigError(
            f"order = {order!r} is unknown; known are image (whole stored images) and crop."
        )
    if factor is None or factor == 1:
        return Pixels()
    if counted == "crop" and ipc is not None:
        raise ConfigError(
            f"ipc = {ipc} keeps whole stored images, but in order 'crop' a size is made of parts "
            "of more of them. Leave ipc out, or give order='image' (--order image)."
        )
    return MultiFormation(factor=factor, order="crop" if counted == "crop" else "image")
