"""IDX files, the format of MNIST, Fashion-MNIST and their relatives.

A folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and, for the test split,
``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``, each plain or gzipped (``.gz``), also
with a dot for the second hyphen and with a prefix such as ``emnist-letters-``.

An IDX file is: two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number
of axes, every extent as a big-endian 32-bit integer, then the values.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from condensery.data.labels import as_labels
from condensery.data.source import Part, Source
from condensery.errors import DataError

__all__ = ["holds_idx", "read"]

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<split>train|t10k|test)[-.](?P<what>images|labels)"
    r"[-.]idx[13][-.]ubyte(\.gz)?"
)


def holds_idx(folder: Path) -> bool:
    """Whether a folder has a file that is named like an IDX file."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def read(folder: Path) -> Source:
    """Read a folder of IDX files.

    Raises:
        DataError: If a file is missing, of another format, or not as long as it says; or if
            images and labels disagree in number.
    """
    found: dict[tuple[str, str], Path] = {}
    prefixes: set[str] = set()
    for path in sorted(folder.iterdir(), reverse=True):  # plain files come last and win over .gz
        if match := _NAME.fullmatch(path.name):
            split = "train" if match["split"] == "train" else "test"
            found[split, match["what"]] = path
            prefixes.add(match["prefix"])
    if len(prefixes) > 1:
        raise DataError(
            f"{folder}: holds IDX files of several data sets ({', '.join(sorted(prefixes))}). "
            "Put each into a folder of its own."
        )
    parts = [_part(folder, found, split) for split in ("train", "test") if _any(found, split)]
    return Source(title=str(folder), train=parts[0], test=parts[1] if len(parts) > 1 else None)


def _any(found: dict[tuple[str, str], Path], split: str) -> bool:
    return (split, "images") in found or (split, "labels") in found


def _part(folder: Path, found: dict[tuple[str, str], Path], split: str) -> Part:
    for what, axes, other in (("images", "idx3", "labels"), ("labels", "idx1", "images")):
        if (split, what) not in found:
            beside = found[split, other].name
            wanted = re.sub("idx[13]", axes, beside.replace(other, what))
            raise DataError(
                f"{folder}: there is {beside!r}, but the {split} {what} are missing. "
                f"Put {wanted!r} beside it."
            )
    path = found[split, "images"]
    images = _array(path, axes=3)
    labels = _array(found[split, "labels"], axes=1)
    if 0 in images.shape:
        raise DataError(f"{path}: holds no pixels, its shape is {images.shape}. Fetch it again.")
    return Part(
        images=torch.from_numpy(images)[:, None],
        labels=as_labels(labels, images=len(images), title=str(path)),
    )


def _array(path: Path, *, axes: int) -> np.ndarray:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: cannot be read ({error}). It is truncated or damaged; fetch it again."
        ) from error
    magic = bytes((0, 0, 8, axes))
    header = 4 + 4 * axes
    if content[:4] != magic or len(content) < header:
        raise DataError(
            f"{path}: begins with {content[:4].hex(' ') or 'nothing'}, but an IDX file of bytes "
            f"with {axes} axes begins with {magic.hex(' ')}. It is another format; fetch it again."
        )
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected, held = math.prod(shape), len(content) - header
    if expected != held:
        raise DataError(
            f"{path}: announces {expected} bytes (shape {shape}) but holds {held}. "
            "It is truncated or damaged; fetch it again."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape).copy()
