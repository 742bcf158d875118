"""Encoded images (PNG, JPEG, WebP, ...) become one tensor of bytes.

Two passes: the first reads headers and decides channels and side, the second decodes on a few
threads, straight into the tensor, or block by block into a file where the tensor would be too
large (``store``). Encoded bytes are held one block at a time.

Knows nothing about labels, classes or splits.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from condensery.data.decoding.cache import Kept, Shelf
from condensery.data.decoding.fit import fit
from condensery.data.decoding.formats import available
from condensery.data.decoding.modes import eight_bit, is_grey, upright_size
from condensery.data.decoding.values import Conversion, NoScale, ValueRange
from condensery.data.skipped import Skipped
from condensery.errors import DataError

__all__ = ["Blocks", "Decoded", "Encoded", "blocks_of", "decode"]

_BLOCK = 1024
_RUN = 64
_THREADS = min(8, os.cpu_count() or 1)
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One image as stored.

    Attributes:
        name: How errors call it.
        content: A file, or what would be in it; ``None`` where there is nothing.
    """

    name: str
    content: Path | bytes | None


Blocks = Callable[[], Iterator[Sequence[Encoded]]]
"""Gives all images, a block at a time, in the same order whenever it is called."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """Images as bytes.

    Attributes:
        images: ``[image, channel, height, width]``; 1 channel if all are stored in grey, else 3.
        kept: Positions of these images among the encoded ones, ascending.
        skipped: The corrupt ones, each with the reason.
        notices: Whole sentences about doubtful pixel values.
        shelf: Where the images are kept, if not in memory.
    """

    images: UInt8[Tensor, "image channel height width"]
    kept: Int[Tensor, "image"]
    skipped: tuple[Skipped, ...]
    notices: tuple[str, ...] = ()
    shelf: Shelf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    name: str
    grey: bool
    side: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Corrupt:
    name: str
    reason: str
    no_scale: NoScale | None = None


def blocks_of(encoded: Sequence[Encoded]) -> Blocks:
    """Blocks of images that are all at hand, such as paths."""
    return lambda: (encoded[i : i + _BLOCK] for i in range(0, len(encoded), _BLOCK))


def decode(
    blocks: Blocks,
    *,
    size: int | None,
    skip_corrupt: bool,
    title: str,
    value_range: ValueRange | None = None,
    shelf: Shelf | None = None,
) -> Decoded:
    """Decode images, or find them decoded.

    Args:
        blocks: The images.
        size: Side of the square to bring them to, or ``None`` to keep them as they are; then
            they must all have one size.
        skip_corrupt: Whether to go on without images that cannot be read.
        title: How errors call the source.
        value_range: The pixel values that become 0 and 255, before images are resized; ``None``
            is the scale of each kind of picture.
        shelf: Where they are kept if they are too large for memory; ``None`` is never.

    Raises:
        DataError: If an image cannot be read (unless skipped), none can be, sizes differ, or
            what is too large for memory cannot be kept.
    """
    if shelf is not None and (known := shelf.find()) is not None:
        return _on(shelf, known)
    values = Conversion(value_range)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = [entry for block in blocks() for entry in _spread(pool, _header, block)]
        if not found:
            raise DataError(f"{title}: holds no image at all. Every class needs at least one.")
        headers = _readable(found, skip_corrupt=skip_corrupt, title=title)
        height, width = (size, size) if size else _one_side(headers, title=title)
        grey = all(header.grey for header in headers)
        shape = (len(found), 1 if grey else 3, height, width)

        def into(rows: np.ndarray, block: Sequence[Encoded], position: int) -> None:
            def one(task: tuple[int, Encoded]) -> _Header | _Corrupt:
                place, encoded = task
                entry = found[position + place]
                if isinstance(entry, _Corrupt):
                    return entry
                pixels = _pixels(encoded, grey=grey, size=size, values=values)
                if isinstance(pixels, _Corrupt):
                    return pixels
                if pixels.shape != shape[1:]:
                    reason = "its header announces another size than its pixels have"
                    return _Corrupt(name=encoded.name, reason=reason)
                rows[place] = pixels
                return entry

            part = slice(position, position + len(block))
            found[part] = _spread(pool, one, list(enumerate(block)))

        if shelf is not None and shelf.holds(shape):
            with shelf.writing(shape) as file:
                for position, block in _placed(blocks):
                    rows = np.empty((len(block), *shape[1:]), dtype=np.uint8)
                    into(rows, block, position)
                    good = [i for i in range(len(block)) if _is_read(found[position + i])]
                    file.write(rows.data if len(good) == len(block) else rows[good].data)
                _readable(found, skip_corrupt=skip_corrupt, title=title)
            dropped = tuple(i for i, entry in enumerate(found) if not _is_read(entry))
            shape = (len(found) - len(dropped), *shape[1:])
            notices = values.notices(title)
            return _on(
                shelf,
                shelf.seal(shape, dropped=dropped, skipped=_skipped(found), notices=notices),
            )
        images = torch.zeros(shape, dtype=torch.uint8)
        for position, block in _placed(blocks):
            into(images[position : position + len(block)].numpy(), block, position)
    _readable(found, skip_corrupt=skip_corrupt, title=title)
    skipped = _skipped(found)
    kept = torch.tensor([i for i, entry in enumerate(found) if _is_read(entry)])
    return Decoded(
        images=images[kept] if skipped else images,
        kept=kept,
        skipped=skipped,
        notices=values.notices(title),
    )


def _on(shelf: Shelf, known: Kept) -> Decoded:
    whole = torch.ones(len(known.images) + len(known.dropped), dtype=torch.bool)
    whole[list(known.dropped)] = False
    kept = whole.nonzero()[:, 0]
    return Decoded(
        images=known.images,
        kept=kept,
        skipped=known.skipped,
        notices=known.notices,
        shelf=shelf,
    )


def _placed(blocks: Blocks) -> Iterator[tuple[int, Sequence[Encoded]]]:
    """Each block, and the position of its first image."""
    position = 0
    for block in blocks():
        yield position, block
        position += len(block)


def _is_read(entry: _Header | _Corrupt) -> bool:
    return isinstance(entry, _Header)


def _skipped(found: Sequence[_Header | _Corrupt]) -> tuple[Skipped, ...]:
    return tuple(
        Skipped(entry.name, entry.reason) for entry in found if isinstance(entry, _Corrupt)
    )


def _spread(
    pool: ThreadPoolExecutor, function: Callable[[_T], _R], items: Sequence[_T]
) -> list[_R]:
    """Map on all threads; a run of items is a task, because a task costs as much as an item."""
    runs = [items[i : i + _RUN] for i in range(0, len(items), _RUN)]
    return list(chain.from_iterable(pool.map(lambda run: [function(item) for item in run], runs)))


def _open(encoded: Encoded) -> Image.Image:
    if encoded.content is None:
        raise ValueError("there are no bytes")
    content = encoded.content
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    return Image.open(file, formats=available())


# Pillow's readers raise whatever a damaged file makes them stumble on (OSError, SyntaxError,
# ValueError, struct.error, EOFError, ...), so everything but running out of memory counts.


def _header(encoded: Encoded) -> _Header | _Corrupt:
    try:
        with _open(encoded) as image:
            return _Header(name=encoded.name, grey=is_grey(image), side=upright_size(image))
    except MemoryError:
        raise
    except Exception as error:
        return _corrupt(encoded, error)


def _pixels(
    encoded: Encoded, *, grey: bool, size: int | None, values: Conversion
) -> np.ndarray | _Corrupt:
    try:
        with _open(encoded) as image:
            flat = eight_bit(image, grey=grey, values=values)
            array = np.asarray(fit(flat, size) if size else flat)
    except MemoryError:
        raise
    except Exception as error:
        return _corrupt(encoded, error)
    return array[None] if grey else array.transpose(2, 0, 1)


def _corrupt(encoded: Encoded, error: Exception) -> _Corrupt:
    if isinstance(error, UnidentifiedImageError):
        return _Corrupt(name=encoded.name, reason=_instead_of_image(encoded.content))
    if isinstance(error, FileNotFoundError):
        return _Corrupt(name=encoded.name, reason="it is a link to a file that does not exist")
    if isinstance(error, NoScale):
        return _Corrupt(name=encoded.name, reason=error.reason, no_scale=error)
    return _Corrupt(name=encoded.name, reason=str(error) or type(error).__name__)


def _instead_of_image(content: Path | bytes | None) -> str:
    """What the bytes of a file are that Pillow does not know, where its beginning says it."""
    beginning = content[:64] if isinstance(content, bytes) else b""
    if isinstance(content, Path):
        with content.open("rb") as file:
            beginning = file.read(64)
    if not beginning:
        return "it is empty"
    if beginning.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS: fetch the images themselves with git lfs pull"
    if beginning.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page, perhaps of a download that failed"
    if beginning[4:8] == b"ftyp":
        return "it is a HEIC picture or a video, which Pillow does not read: convert it"
    return "it is no image that Pillow knows"


def _readable(
    found: Sequence[_Header | _Corrupt], *, skip_corrupt: bool, title: str
) -> list[_Header]:
    headers = [entry for entry in found if isinstance(entry, _Header)]
    corrupt = [entry for entry in found if isinstance(entry, _Corrupt)]
    if corrupt and not (skip_corrupt and headers):
        unscaled = [
            (f"image {entry.name!r}", entry.no_scale) for entry in corrupt if entry.no_scale
        ]
        if len(unscaled) == len(corrupt):
            raise NoScale.together(title, unscaled)
        others = f" and {len(corrupt) - 1} more" if len(corrupt) > 1 else ""
        raise DataError(
            f"{title}: image {corrupt[0].name!r}{others} of {len(found)} cannot be read: "
            f"{corrupt[0].reason}. Replace or remove it"
            + (", or go on without with skip_corrupt=True." if headers else ".")
        )
    return headers


def _one_side(headers: Sequence[_Header], *, title: str) -> tuple[int, int]:
    first = headers[0]
    other = next((header for header in headers if header.side != first.side), None)
    if other is not None:
        smallest = min(min(header.side) for header in headers)
        raise DataError(
            f"{title}: images have different sizes, such as {first.name!r} with "
            f"{first.side[0]} x {first.side[1]} and {other.name!r} with {other.side[0]} x "
            f"{other.side[1]} (height x width). Give --image-size (image_size=), for "
            f"example {smallest}: the "
            "shorter side is resized to it, then the centre is cropped."
        )
    return first.side
