"""IDX files, the format of MNIST, Fashion-MNIST, KMNIST, QMNIST and EMNIST.

A folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and, for the test split,
``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``, each plain or gzipped (``.gz``), also
with a dot for the second hyphen and with a prefix such as ``emnist-letters-``. Some programs
unpack each file into a folder of the same name, which is looked into. QMNIST's labels are
``idx2-int``: eight integers an image, of which the first is the class.

A folder may hold the files of several data sets, as ``EMNIST/raw`` of torchvision does. The path
of one is then the folder and the prefix: ``EMNIST/raw/emnist-letters``. The splits of EMNIST have
the class names of their publisher; the labels of ``emnist-letters`` count from 1.

An IDX file is: two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number
of axes, every extent as a big-endian 32-bit integer, then the values.

Source: http://yann.lecun.com/exdb/mnist/ (format), https://github.com/facebookresearch/qmnist
(columns of the labels), https://www.nist.gov/itl/products-and-services/emnist-dataset (classes).
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from condensery.data.known import KNOWN
from condensery.data.labels import as_labels
from condensery.data.source import Source, Split
from condensery.errors import DataError

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<split>train|t10k|test)[-.](?P<what>images|labels)"
    r"[-.](?P<kind>idx3[-.]ubyte|idx1[-.]ubyte|idx2[-.]int)(?P<zipped>\.gz)?"
)
_TYPES = {8: "u1", 9: "i1", 11: "i2", 12: "i4"}
"""How integers are written, by the third byte of a file."""

_QMNIST_COLUMNS = 8

_FROM_ONE = "emnist-letters"


class _File(NamedTuple):
    """A file that is named like an IDX file."""

    path: Path
    prefix: str  # of its name, such as ``emnist-letters``; often empty
    split: str  # "train" or "test"
    what: str  # "images" or "labels"
    order: int  # low is preferred: a plain file, one in a folder of its name, a zipped one


def holds_idx(folder: Path) -> bool:
    """Whether a folder has a file that is named like an IDX file, or a folder with one."""
    return next(_files(folder.iterdir()), None) is not None


def read(folder: Path) -> Source:
    """Read a folder with the IDX files of one data set."""
    return _read(_files(folder.iterdir()), title=str(folder), folder=folder)


def read_one(path: Path) -> Source | None:
    """Read one of several data sets in a folder; ``None`` if there is none of this name.

    Args:
        path: The folder and the prefix of its files, such as ``EMNIST/raw/emnist-letters``.
    """
    files = _with_prefix(path)
    return _read(files, title=str(path), folder=path.parent) if files else None


def holds_one(path: Path) -> bool:
    """Whether a folder has IDX files with a prefix; the path is that of ``read_one``."""
    return bool(_with_prefix(path))


def _with_prefix(path: Path) -> list[_File]:
    inside = path.parent.iterdir() if path.parent.is_dir() else ()
    return [file for file in _files(inside) if file.prefix == path.name]


def read_files(paths: Sequence[Path], *, title: str) -> Source | None:
    """Read the IDX files of one data set, in any order; ``None`` if they are not named so."""
    if not all(_NAME.fullmatch(path.name) for path in paths):
        return None
    files = list(_files(paths))
    if not files:
        raise DataError(f"{title}: holds no IDX file. Give a folder with the four files of MNIST.")
    return _read(files, title=title, folder=files[0].path.parent)


def _files(entries: Iterable[Path]) -> Iterator[_File]:
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match is None:
            continue
        split, what = "train" if match["split"] == "train" else "test", match["what"]
        prefix = match["prefix"].rstrip("-_.")
        if not entry.is_dir():
            yield _File(entry, prefix, split, what, 2 if match["zipped"] else 0)
            continue
        for file in _files(path for path in entry.iterdir() if path.is_file()):
            if (file.split, file.what) == (split, what):
                yield _File(file.path, prefix, split, what, 3 if file.order == 2 else 1)


def _read(files: Iterable[_File], *, title: str, folder: Path) -> Source:
    # The last one of a kind wins, which has the lowest order.
    ordered = sorted(files, key=lambda file: (-file.order, file.path.name))
    found = {(file.split, file.what): file.path for file in ordered}
    prefixes = {file.prefix for file in ordered}
    if len(prefixes) > 1:
        named = sorted(prefixes - {""})
        plain = " and one whose files have no prefix" if "" in prefixes else ""
        raise DataError(
            f"{folder}: holds IDX files of several data sets ({', '.join(named)}{plain}). Give "
            "the folder and the beginning of the names of one of them as the path, such as "
            f"{str(folder / named[0])!r}."
        )
    splits = [split for split in ("train", "test") if split in {split for split, _ in found}]
    parts = [_part(folder, found, split) for split in splits]
    prefix = prefixes.pop()
    names = None
    if prefix.startswith("emnist-") and prefix in KNOWN:
        names = KNOWN[prefix].class_names
        first = 1 if prefix == _FROM_ONE else 0
        labels = torch.cat([part.labels for part in parts]).unique()
        if labels.tolist() == list(range(first, first + len(names))):
            parts = [Split(images=part.images, labels=part.labels - first) for part in parts]
        else:  # not the labels that EMNIST publishes: the numbers are all that is known
            names = None
    test = parts[1] if len(parts) > 1 else None
    return Source(title=title, train=parts[0], test=test, class_names=names)


def _part(folder: Path, found: Mapping[tuple[str, str], Path], split: str) -> Split:
    for what, other in (("images", "labels"), ("labels", "images")):
        if (split, what) not in found:
            beside = found[split, other].name
            kind = "idx3-ubyte" if what == "images" else "idx1-ubyte"
            if beside.startswith("qmnist") and what == "labels":
                kind = "idx2-int"
            dot = "." if ".idx" in beside else "-"
            wanted = re.sub(rf"{other}[-.]idx\d[-.](ubyte|int)", f"{what}{dot}{kind}", beside)
            raise DataError(
                f"{folder}: there is {beside!r}, but the {split} {what} are missing. "
                f"Put {wanted!r} beside it."
            )
    path, beside = found[split, "images"], found[split, "labels"]
    images = _array(path, axes=(3,), types=(8,))
    labels = _array(beside, axes=(1, 2), types=tuple(_TYPES))
    if labels.ndim == 2 and labels.shape[1] != _QMNIST_COLUMNS:
        raise DataError(
            f"{beside}: holds {labels.shape[1]} numbers for each image, but labels are one class "
            f"index an image, or the {_QMNIST_COLUMNS} numbers of QMNIST, of which the first is "
            "the class. Keep the column of the class."
        )
    labels = labels if labels.ndim == 1 else labels[:, 0]
    if 0 in images.shape:
        raise DataError(f"{path}: holds no pixels, its shape is {images.shape}. Fetch it again.")
    return Split(
        images=torch.from_numpy(images)[:, None],
        labels=as_labels(labels, images=len(images), title=str(path)),
    )


def _array(path: Path, *, axes: tuple[int, ...], types: tuple[int, ...]) -> np.ndarray:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: cannot be read ({error}). It is truncated or damaged; fetch it again."
        ) from error
    known = [bytes((0, 0, kind, count)) for kind in types for count in axes]
    header = 4 + 4 * (content[3] if len(content) > 3 else 0)
    if content[:4] not in known or len(content) < header:
        raise DataError(
            f"{path}: begins with {content[:4].hex(' ') or 'nothing'}, but an IDX file of "
            f"{'bytes' if types == (8,) else 'integers'} with {' or '.join(map(str, axes))} axes "
            f"begins with {known[0].hex(' ')}. It is another format; fetch it again."
        )
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    type_ = np.dtype(f">{_TYPES[content[2]]}")
    expected, held = math.prod(shape) * type_.itemsize, len(content) - header
    if expected != held:
        raise DataError(
            f"{path}: announces {expected} bytes (shape {shape}) but holds {held}. "
            "It is truncated or damaged; fetch it again."
        )
    array = np.frombuffer(content, dtype=type_, offset=header).reshape(shape)
    return array.astype(type_.newbyteorder("="))
