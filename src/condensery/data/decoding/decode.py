"""Encoded images (PNG, JPEG, WebP, ...) become one tensor of bytes.

There are two passes: the first reads headers and decides channels and side; the second decodes on
a few threads into the tensor, or block by block into a file if the tensor would be too large
(``cache``). Only one block of encoded bytes is in memory.
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
from PIL import Image, UnidentifiedImageError

from condensery.data.decoding.cache import DecodedImages, ImageCache
from condensery.data.decoding.pictures import available, eight_bit, fit, is_grey, upright_size
from condensery.data.decoding.values import Conversion, NoScale, ValueRange
from condensery.data.skipped import Skipped
from condensery.errors import DataError

_BLOCK = 1024
_RUN = 64
_THREADS = min(8, os.cpu_count() or 1)
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How the images of a source are read.

    Attributes:
        size: Side of the square to which images are resized, or ``None`` if all have one size.
        skip_corrupt: Whether images that cannot be read are skipped.
        value_range: The pixel values that become 0 and 255, before images are resized; ``None``
            is the scale of each kind of picture.
        image_cache: How large sets are cached, and where archives are unpacked; ``None`` keeps
            all images in memory.
    """

    size: int | None = None
    skip_corrupt: bool = False
    value_range: ValueRange | None = None
    image_cache: ImageCache | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImage:
    """One encoded image."""

    name: str  # how errors call it
    content: Path | bytes | None  # A file, or what would be in it; ``None`` where there is nothing


Blocks = Callable[[], Iterator[Sequence[EncodedImage]]]
"""Returns all images in blocks, in the same order in every call."""


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    grey: bool
    side: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Corrupt:
    name: str
    reason: str
    no_scale: NoScale | None = None


_Entry = _Header | _Corrupt


def blocks_of(encoded: Sequence[EncodedImage]) -> Blocks:
    """Blocks of a list of images, such as paths."""
    return lambda: (encoded[i : i + _BLOCK] for i in range(0, len(encoded), _BLOCK))


def decode(
    blocks: Blocks, how: Decoding, *, title: str, files: Sequence[Path], root: Path, also: str = ""
) -> DecodedImages:
    """Decode images, or find them in the cache.

    The key in the cache is ``files`` below ``root``, ``how`` they are read, and ``also``, which is
    everything else that decides their pixels. Errors call the images ``title``.
    """
    details = f"{how.size} {how.skip_corrupt} {how.value_range}{also}"
    cache_file = (
        None
        if how.image_cache is None
        else how.image_cache.cache_file(files, root=root, how=details)
    )
    if cache_file is not None and (known := cache_file.find()) is not None:
        return known
    values = Conversion(how.value_range)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = [entry for block in blocks() for entry in _spread(pool, _header, block)]
        if not found:
            raise DataError(f"{title}: holds no image at all. Every class needs at least one.")
        headers = _readable(found, how, title=title)
        side = (how.size, how.size) if how.size else _one_side(headers, title=title)
        grey = all(header.grey for header in headers)
        shape = (len(found), 1 if grey else 3, *side)

        def fill(rows: np.ndarray, block: Sequence[EncodedImage], position: int) -> int:
            """Decode a block; its good images come first. Returns how many these are."""

            def one(task: tuple[int, EncodedImage]) -> _Entry:
                place, encoded = task
                entry = found[position + place]
                if isinstance(entry, _Corrupt):
                    return entry
                pixels = _pixels(encoded, grey=grey, size=how.size, values=values)
                if isinstance(pixels, _Corrupt):
                    return pixels
                if pixels.shape != shape[1:]:
                    reason = "its header announces another size than its pixels have"
                    return _Corrupt(encoded.name, reason)
                rows[place] = pixels
                return entry

            entries = _spread(pool, one, list(enumerate(block)))
            found[position : position + len(block)] = entries
            good = [i for i, entry in enumerate(entries) if isinstance(entry, _Header)]
            if len(good) < len(block):
                rows[: len(good)] = rows[good]
            return len(good)

        if cache_file is not None and cache_file.holds(shape):
            with cache_file.writing(shape) as file:
                for position, block in _placed(blocks):
                    rows = np.empty((len(block), *shape[1:]), dtype=np.uint8)
                    file.write(rows[: fill(rows, block, position)].data)
                _readable(found, how, title=title)
            images = None
        else:
            images = torch.zeros(shape, dtype=torch.uint8)
            done = 0
            for position, block in _placed(blocks):
                done += fill(images.numpy()[done : done + len(block)], block, position)
            _readable(found, how, title=title)
            images = images if done == len(found) else images[:done].clone()
    dropped = tuple(i for i, entry in enumerate(found) if isinstance(entry, _Corrupt))
    skipped = tuple(Skipped(x.name, x.reason) for x in found if isinstance(x, _Corrupt))
    notices = values.notices(title)
    if images is not None:
        return DecodedImages(images=images, dropped=dropped, skipped=skipped, notices=notices)
    assert cache_file is not None  # the images were written to it
    shape = (len(found) - len(dropped), *shape[1:])
    return cache_file.seal(shape, dropped=dropped, skipped=skipped, notices=notices)


def _placed(blocks: Blocks) -> Iterator[tuple[int, Sequence[EncodedImage]]]:
    """Each block, and the position of its first image."""
    position = 0
    for block in blocks():
        yield position, block
        position += len(block)


def _spread(
    pool: ThreadPoolExecutor, function: Callable[[_T], _R], items: Sequence[_T]
) -> list[_R]:
    """``map`` on all threads; several items are a task, because a task is as costly as an item."""
    runs = [items[i : i + _RUN] for i in range(0, len(items), _RUN)]
    return list(chain.from_iterable(pool.map(lambda run: [function(item) for item in run], runs)))


def _seen(encoded: EncodedImage, look: Callable[[Image.Image], _R]) -> _R | _Corrupt:
    """The result of a function for an open image, or the reason of a failure.

    For damaged files, Pillow raises many exceptions (OSError, SyntaxError, ValueError,
    struct.error, EOFError, ...); therefore all are caught except ``MemoryError``.
    """
    content = encoded.content
    if content is None:
        return _Corrupt(encoded.name, "there are no bytes")
    try:
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        with Image.open(file, formats=available()) as image:
            return look(image)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        reason = _instead_of_image(content)
    except FileNotFoundError:
        reason = "it is a link to a file that does not exist"
    except NoScale as error:
        return _Corrupt(encoded.name, error.reason, error)
    except Exception as error:
        reason = str(error) or type(error).__name__
    return _Corrupt(encoded.name, reason)


def _header(encoded: EncodedImage) -> _Entry:
    return _seen(encoded, lambda x: _Header(encoded.name, is_grey(x), upright_size(x)))


def _pixels(
    encoded: EncodedImage, *, grey: bool, size: int | None, values: Conversion
) -> np.ndarray | _Corrupt:
    def read(image: Image.Image) -> np.ndarray:
        flat = eight_bit(image, grey=grey, values=values)
        array = np.asarray(fit(flat, size) if size else flat)
        return array[None] if grey else array.transpose(2, 0, 1)

    return _seen(encoded, read)


def _instead_of_image(content: Path | bytes) -> str:
    """The kind of a file that Pillow does not know, if its first bytes say it."""
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


def _readable(found: Sequence[_Entry], how: Decoding, *, title: str) -> list[_Header]:
    """The headers of the good images; refuses corrupt images unless they are skipped."""
    headers = [entry for entry in found if isinstance(entry, _Header)]
    corrupt = [entry for entry in found if isinstance(entry, _Corrupt)]
    if corrupt and not (how.skip_corrupt and headers):
        unscaled = [(f"image {entry.name!r}", x) for entry in corrupt if (x := entry.no_scale)]
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
        raise DataError(
            f"{title}: images have different sizes, such as {first.name!r} with {first.side[0]} x "
            f"{first.side[1]} and {other.name!r} with {other.side[0]} x {other.side[1]} (height x "
            "width). Give --image-size (image_size=), for example "
            f"{min(min(header.side) for header in headers)}: the shorter side is resized to it, "
            "then the centre is cropped."
        )
    return first.side
