"""Decoded images in memory, or in a file that the system maps into memory.

A mapped file is a tensor whose pages the system reads when they are used, and drops when memory is
short. It is written once and atomically, and is found again by the source of the images. Knows
nothing about labels and formats of images.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import PIL
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from condensery.cache import place
from condensery.checkpoint import write_atomically
from condensery.data.skipped import Skipped
from condensery.errors import ArtifactError, DataError

IMAGE_MEMORY = 2_000_000_000
"""Limit in bytes for decoded images in memory: 40,000 of 128 x 128 pixels in colour."""

_VERSION = 2
_ROWS = 256  # copied at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCache:
    """How large data sets are cached."""

    memory: int = IMAGE_MEMORY  # bytes of decoded images up to which they are held in memory

    def cache_file(self, files: Iterable[Path], *, root: Path, how: str) -> CacheFile:
        """The cache file for images that are decoded from files below a folder.

        ``how`` is everything else that decides their pixels.
        """
        name = identity(files, root=root, also=f"{_VERSION} {PIL.__version__} {how}", length=12)
        return CacheFile(memory=self.memory, path=place("images") / f"{name}.pixels")


def identity(files: Iterable[Path], *, root: Path, also: str = "", length: int = 6) -> str:
    """A hash of a folder, the names of files below it, their sizes and modification times.

    It contains the folder because many unpacked folders have equal names, sizes and times.
    """
    content = hashlib.blake2b(also.encode() + os.fsencode(root.absolute()), digest_size=length)
    for path in files:
        with contextlib.suppress(OSError):  # a missing file fails where it is read
            facts = path.stat()
            name = path.relative_to(root).as_posix()
            content.update(os.fsencode(name))  # its bytes, which need not be UTF-8
            content.update(f"\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return content.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedImages:
    """Decoded images as bytes."""

    # ``[image, channel, height, width]``; 1 channel if all are stored in grey, else 3
    images: UInt8[Tensor, "image channel height width"]
    dropped: tuple[int, ...] = ()  # positions of the corrupt ones among the encoded, ascending
    skipped: tuple[Skipped, ...] = ()  # the same images, each with the reason
    notices: tuple[str, ...] = ()  # whole sentences about doubtful pixel values
    cache_file: CacheFile | None = None  # where the images are kept, if not in memory

    @property
    def kept(self) -> Int[Tensor, "image"]:
        """Positions of these images among the encoded images, ascending."""
        whole = torch.ones(len(self.images) + len(self.dropped), dtype=torch.bool)
        whole[list(self.dropped)] = False
        return whole.nonzero()[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFile:
    """The cache file of one set of decoded images."""

    memory: int  # see ``ImageCache``
    # of the pixels; what is known about them stands beside, in a file that ends in ``.json``
    # and is written last
    path: Path

    def holds(self, shape: tuple[int, ...]) -> bool:
        """Whether images of a shape are too large for memory, and are therefore in this file."""
        return math.prod(shape) > self.memory

    def find(self) -> DecodedImages | None:
        """The images in this file, if it exists and is complete."""
        try:
            facts = json.loads(self.path.with_suffix(".json").read_text(encoding="utf-8"))
            shape = tuple(int(extent) for extent in facts["shape"])
            size = math.prod(shape)
            if self.path.stat().st_size != size or len(shape) != 4:
                return None
            return DecodedImages(
                # a page that is written to becomes the process's own copy
                images=torch.from_file(
                    str(self.path), shared=False, size=size, dtype=torch.uint8
                ).view(shape),
                dropped=tuple(int(position) for position in facts["dropped"]),
                skipped=tuple(Skipped(str(name), str(why)) for name, why in facts["skipped"]),
                notices=tuple(str(notice) for notice in facts["notices"]),
                cache_file=self,
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def kept(self, what: str, compute: Callable[[], str]) -> str:
        """A short text about the images, which is computed once and kept in their folder.

        Args:
            what: Everything besides this file that decides the text.
            compute: Gives the text.
        """
        facts = self.path.stat()
        content = f"{facts.st_size} {facts.st_mtime_ns} {what}".encode()
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        file = self.path.with_name(f"{self.path.stem}-{digest}.fingerprint")
        if file.exists():
            return file.read_text(encoding="utf-8")
        text = compute()
        with contextlib.suppress(ArtifactError):  # the folder is full or may only be read
            write_atomically(file, text.encode())
        return text

    @contextlib.contextmanager
    def writing(self, shape: tuple[int, ...]) -> Generator[IO[bytes]]:
        """A file for the pixels of ``shape``, image by image; removed after an exception."""
        needed = math.prod(shape)
        partial = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path.parent).free
            if free < needed:
                raise OSError(f"{free / 1e9:.1f} GB are free there")
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            raise DataError(
                f"{needed / 1e9:.1f} GB of decoded images are more than the {self.memory / 1e9:g} "
                f"GB that are held in memory, and cannot be kept in {self.path.parent}: "
                f"{error.strerror or error}. Name another folder by the environment variable "
                "CONDENSERY_CACHE, give a smaller --image-size (image_size=), or allow more with "
                "--image-memory (image_memory=)."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def seal(
        self,
        shape: tuple[int, ...],
        *,
        dropped: tuple[int, ...] = (),
        skipped: tuple[Skipped, ...] = (),
        notices: tuple[str, ...] = (),
    ) -> DecodedImages:
        """Record what was written, and map the file."""
        named = [[entry.name, entry.reason] for entry in skipped]
        facts = {"shape": shape, "dropped": dropped, "skipped": named, "notices": notices}
        partial = self.path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(facts), encoding="utf-8")
        partial.replace(self.path.with_suffix(".json"))
        found = self.find()
        assert found is not None  # it was written just now
        return found

    def rows(
        self, images: UInt8[Tensor, "image ..."], index: Int[Tensor, "row"], *, part: str
    ) -> UInt8[Tensor, "row ..."]:
        """Some of the images of this file, as a file of their own called ``part``.

        ``index`` must depend only on the identity of this file and on ``part``.
        """
        own = CacheFile(
            memory=self.memory, path=self.path.with_name(f"{self.path.stem}-{part}.pixels")
        )
        shape = (len(index), *images.shape[1:])
        found = own.find()
        if found is not None and found.images.shape == shape:
            return found.images
        with own.writing(shape) as file:
            for some in index.split(_ROWS):
                file.write(np.ascontiguousarray(images[some].numpy()).data)
        return own.seal(shape).images
