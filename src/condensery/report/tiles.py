"""Stored images as small pictures inside a page: data addresses, one an image.

Knows nothing about the page around them.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

from condensery.report.condensed_file import CondensedFile

__all__ = ["Tile", "TileRow", "exact", "tile_rows"]

_EXACT_UP_TO = 8_000_000
"""Bytes of pixels up to which the page carries them exactly; beyond, JPEG previews."""

_PREVIEW_SIDE = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One image.

    Attributes:
        rank: 0-based.
        source: ``data:image/...``.
        alt: What a screen reader says.
    """

    rank: int
    source: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRow:
    """The images of one class, ascending by rank."""

    name: str
    tiles: tuple[Tile, ...]


def exact(file: CondensedFile) -> bool:
    """Whether the page carries every pixel of the file, not previews."""
    return file.images.nbytes <= _EXACT_UP_TO


def tile_rows(file: CondensedFile) -> tuple[TileRow, ...]:
    """All images of the file, by class."""
    encode = _png if exact(file) else _preview
    return tuple(
        TileRow(
            name=name,
            tiles=tuple(
                Tile(
                    rank=int(file.rank[row]),
                    source=encode(Image.fromarray(file.tile(int(row)))),
                    alt=f"{name}, image {int(file.rank[row]) + 1}",
                )
                for row in (file.labels == label).nonzero()[0]
            ),
        )
        for label, name in enumerate(file.class_names)
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
