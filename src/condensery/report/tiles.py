"""Stored images as small pictures in a page: one data address for each image.

Knows nothing about the rest of the page.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from condensery.condensed.artifact import CondensedSet

_EXACT_UP_TO = 8_000_000
"""Up to this number of bytes, the page contains all pixels exactly; above it, JPEG previews."""

_PREVIEW_SIDE = 96

MOST_CLASSES = 100
"""Classes of a set that pages and pictures show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One image."""

    rank: int  # 0-based
    source: str  # ``data:image/...``
    alt: str  # what a screen reader says


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRow:
    """The images of one class, ascending by rank."""

    name: str
    tiles: tuple[Tile, ...]


def rgb(image: Shaped[Tensor, "channel height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """A picture of a condensed set in colour.

    An image with one channel, or with a number of channels other than 3, becomes grey: the mean
    over its channels.
    """
    if image.dtype != torch.uint8:
        image = image.float() * 255
    if len(image) != 3:
        image = image.float().mean(dim=0, keepdim=True).expand(3, -1, -1)
    return image.round().byte().permute(1, 2, 0).contiguous().numpy()


def shown_classes(condensed: CondensedSet, *, most: int = MOST_CLASSES) -> tuple[int, ...]:
    """All classes, or ``most`` that are evenly spaced, with the first and the last."""
    if condensed.classes <= most:
        return tuple(range(condensed.classes))
    last = condensed.classes - 1
    return tuple(round(i * last / (most - 1)) for i in range(most))


def exact(condensed: CondensedSet, *, most: int = MOST_CLASSES) -> bool:
    """Whether the page contains every pixel of its images, or else previews of large images."""
    shown = torch.isin(condensed.labels, torch.tensor(shown_classes(condensed, most=most))).sum()
    return int(shown) * math.prod(condensed.shape) <= _EXACT_UP_TO


def encoded(image: Image.Image) -> str:
    """A small picture as a data address; large ones become previews."""
    return _png(image) if max(image.size) <= _PREVIEW_SIDE else _preview(image)


def tile_rows(condensed: CondensedSet, *, most: int = MOST_CLASSES) -> tuple[TileRow, ...]:
    """The stored images of ``shown_classes``, by class."""
    encode = _png if exact(condensed, most=most) else _preview
    images, names = condensed.images, condensed.class_names
    return tuple(
        TileRow(
            name=names[label],
            tiles=tuple(
                Tile(
                    rank=int(condensed.rank[row]),
                    source=encode(Image.fromarray(rgb(images[row]))),
                    alt=f"{names[label]}, image {int(condensed.rank[row]) + 1}",
                )
                for row in (condensed.labels == label).nonzero().flatten().tolist()
            ),
        )
        for label in shown_classes(condensed, most=most)
    )


def _png(image: Image.Image) -> str:
    red, green, blue = image.split()
    grey = red.tobytes() == green.tobytes() == blue.tobytes()
    return _address(red if grey else image, "png", optimize=True)


def _preview(image: Image.Image) -> str:
    image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE), Image.Resampling.LANCZOS)
    return _address(image, "jpeg", quality=85)


def _address(image: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
