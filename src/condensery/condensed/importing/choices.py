"""Which choices mean something for a format, and whether they can work; found out before reading.

Knows nothing about files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from condensery.condensed.importing.formats import FORMATS, Format
from condensery.data import Data, ImageData
from condensery.errors import ConfigError, nearest
from condensery.parameterizations import MultiFormation, Parameterization, Pixels

__all__ = ["check_choices", "check_names", "decoder_for", "layout_of"]


def layout_of(name: str) -> Format:
    """The format called ``name``.

    Raises:
        ConfigError: Naming the nearest, if there is none.
    """
    if name not in FORMATS:
        raise ConfigError(
            f"format = {name!r} is unknown; known are {', '.join(FORMATS)}.{nearest(name, FORMATS)}"
        )
    return FORMATS[name]


def check_choices(choices: Mapping[str, object], name: str, layout: Format) -> None:
    """Refuse a choice that was made (is not ``None``) and means nothing for the format.

    Raises:
        ConfigError: Naming the formats that it belongs to.
    """
    for choice, value in choices.items():
        if value is not None and choice not in layout.takes:
            owners = [other for other, its in FORMATS.items() if choice in its.takes]
            raise ConfigError(
                f"{choice} = {value!r} means nothing for format {name}; it belongs to "
                f"{', '.join(owners)}. Leave it out, or check the format."
            )
    step_size = choices["step_size"]
    if isinstance(step_size, (int, float)) and not math.isfinite(step_size):
        raise ConfigError(f"step_size = {step_size}, but a learned step size is a finite number.")


def check_names(classes: Sequence[str], data: Data) -> None:
    """Refuse names of the file's labels that cannot be those of the data's classes.

    Raises:
        ConfigError: If they are one text, or not as many as the data has classes.
    """
    if isinstance(classes, str):
        raise ConfigError(
            f"classes = {classes!r} is one text, but names are given as a list, such as "
            f"classes={list(data.train.class_names[:2])!r} with one name per label."
        )
    if len(classes) != data.train.classes:
        ours = ", ".join(data.train.class_names[:12])
        more = ", ..." if data.train.classes > 12 else ""
        raise ConfigError(
            f"classes names {len(classes)} classes, {', '.join(classes[:12])}, but {data.name} has "
            f"{data.train.classes}, {ours}{more}. Name every label of the file once, in the order "
            "of its numbers, with --classes NAME,NAME,... (classes=[...])."
        )


def decoder_for(
    name: str,
    layout: Format,
    *,
    factor: int | None,
    order: str | None,
    ipc: int | None,
    data: ImageData,
) -> Parameterization:
    """How the stored images of a set decode.

    Args:
        name: Of the format.
        layout: The format.
        factor: Crops per side, or ``None`` for images that are stored whole.
        order: ``"image"``, ``"crop"``, or ``None`` for what the format counts.
        ipc: How many images of every class are kept, or ``None``.
        data: The training images.

    Raises:
        ConfigError: If one cannot work, or the factor is needed and not given.
    """
    if ipc is not None and ipc < 1:
        raise ConfigError(f"ipc = {ipc}, but at least 1 image per class is kept.")
    if factor is None and layout.stores == "pixels":
        raise ConfigError(
            f"factor is needed: {name} stores grids of factor x factor small images, and the file "
            "does not say of how many. Give factor=2 (--factor 2) for the published sets of small "
            "images, 3 for ImageNet, 1 for sets without multi-formation (IDC-I)."
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
