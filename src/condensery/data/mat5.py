"""Numeric arrays of MATLAB files of version 5 (``save -v6`` and ``-v7``).

A file is 128 bytes of header and then elements: type and length (two 32-bit numbers), content,
padding to 8 bytes. An array is an element of elements: flags, extents, name, numbers in column
order; it may lie inside one that is compressed by zlib. Whatever is no plain array of numbers
(text, structures, functions) is passed over unread.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from condensery.errors import DataError

__all__ = ["read_mat5"]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""How numbers are written, by type of element."""

_NUMERIC = range(6, 16)
"""Classes of arrays that hold numbers."""

_COMPLEX = 0x0800


class _Damaged(Exception):
    """A file that contradicts itself."""


def read_mat5(path: Path) -> dict[str, np.ndarray]:
    """Read all real numeric arrays of a file.

    Returns:
        By name, in the shapes that MATLAB shows; read-only.

    Raises:
        DataError: If it is no such file, or is damaged.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    if bytes(content[:10]) == b"MATLAB 7.3":
        raise DataError(
            f"{path}: is a MATLAB file of version 7.3 (HDF5), which is not read. Save it again "
            "with save(..., '-v7')."
        )
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:_HEADER]))
    if bytes(content[:10]) != b"MATLAB 5.0" or order is None:
        raise DataError(
            f"{path}: begins with {bytes(content[:10])!r}, but a MATLAB file of version 5 begins "
            "with b'MATLAB 5.0'. It is another format; fetch it again."
        )
    try:
        return dict(_arrays(content[_HEADER:], order))
    except (_Damaged, zlib.error, ValueError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as a MATLAB file ({error}). It is truncated or damaged; "
            "fetch it again."
        ) from error


def _arrays(content: memoryview, order: str) -> Iterator[tuple[str, np.ndarray]]:
    for kind, inside in _elements(content, order):
        if kind == _COMPRESSED:
            yield from _arrays(memoryview(zlib.decompress(inside)), order)
        elif kind == _MATRIX:
            named = _array(inside, order)
            if named is not None:
                yield named


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of one element after the other."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            raise _Damaged(f"{len(content) - at} bytes are left, too few for an element")
        kind, length = (int(x) for x in np.frombuffer(content[at : at + 8], f"{order}u4"))
        small = kind >> 16  # up to 4 bytes: the length shares a number with the type
        begin = at + 4 if small else at + 8
        kind, length = (kind & 0xFFFF, small) if small else (kind, length)
        if (small and small > 4) or begin + length > len(content):
            raise _Damaged(f"an element announces {length} bytes that are not there")
        yield kind, content[begin : begin + length]
        end = begin + length
        at = end if kind == _COMPRESSED else end + -end % 8  # compressed ones are not padded


def _array(content: memoryview, order: str) -> tuple[str, np.ndarray] | None:
    parts = list(_elements(content, order))
    if len(parts) < 4 or len(parts[0][1]) != 8:
        return None
    flags = int(np.frombuffer(parts[0][1], f"{order}u4")[0])
    if flags & 0xFF not in _NUMERIC or flags & _COMPLEX:
        return None
    extents = np.frombuffer(parts[1][1], f"{order}i4").tolist()
    name = bytes(parts[2][1]).decode("ascii")
    kind, numbers = parts[3]
    if kind not in _NUMBERS or min(extents, default=0) < 0:
        raise _Damaged(f"array {name!r} is written in numbers of type {kind}")
    array = np.frombuffer(numbers, f"{order}{_NUMBERS[kind]}")
    if len(array) != math.prod(extents):
        raise _Damaged(f"array {name!r} of shape {extents} holds {len(array)} numbers")
    return name, array.reshape(extents, order="F")
