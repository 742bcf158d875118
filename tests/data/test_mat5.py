"""MATLAB files as MATLAB's own format says, and as SciPy writes them."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest

from condensery.data.mat5 import read_mat5
from condensery.errors import DataError

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01"


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    padding = b"" if kind == 15 else bytes(-len(content) % 8)
    return struct.pack(f"{order}II", kind, len(content)) + content + padding


def small(kind: int, content: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}I", len(content) << 16 | kind) + content.ljust(4, b"\0")


def matrix(name: str, array: np.ndarray, *, order: str = "<", class_: int = 9) -> bytes:
    """A ``uint8`` array, its name in the short form if it fits."""
    write = small if len(name) <= 4 else element
    parts = (
        element(6, struct.pack(f"{order}II", class_, 0), order),
        element(5, np.array(array.shape, f"{order}i4").tobytes(), order),
        write(1, name.encode(), order),
        element(2, array.tobytes(order="F"), order),
    )
    return element(14, b"".join(parts), order)


PIXELS = np.arange(2 * 3 * 3 * 5, dtype=np.uint8).reshape(2, 3, 3, 5)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_by_name_and_shape(tmp_path, order, compressed):
    written = [matrix("X", PIXELS, order=order), matrix("longer", PIXELS[0, 0], order=order)]
    if compressed:
        written = [element(15, zlib.compress(part), order) for part in written]
    path = tmp_path / "a.mat"
    path.write_bytes(HEADER + (b"IM" if order == "<" else b"MI") + b"".join(written))
    found = read_mat5(path)
    assert list(found) == ["X", "longer"]
    np.testing.assert_array_equal(found["X"], PIXELS)
    np.testing.assert_array_equal(found["longer"], PIXELS[0, 0])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"], ids=str
)
def test_what_scipy_writes_is_read(tmp_path, dtype, compressed):
    io = pytest.importorskip("scipy.io")
    written = {"X": PIXELS.astype(dtype), "y": np.arange(5).astype(dtype)[:, None]}
    others = {"text": "hello", "structure": {"a": 1}, "cells": np.array([1, "b"], dtype=object)}
    path = tmp_path / "a.mat"
    io.savemat(path, {**others, **written}, do_compression=compressed)
    found = read_mat5(path)
    for name, array in written.items():
        np.testing.assert_array_equal(found[name], array)
    assert set(found) == {"X", "y"}


def test_complex_numbers_are_passed_over(tmp_path):
    io = pytest.importorskip("scipy.io")
    io.savemat(tmp_path / "a.mat", {"z": np.array([1 + 2j]), "y": np.array([1.0])})
    assert set(read_mat5(tmp_path / "a.mat")) == {"y"}


@pytest.mark.parametrize("compressed", [False, True])
def test_every_cut_of_a_file_is_refused_but_the_one_without_arrays(tmp_path, compressed):
    written = matrix("X", PIXELS)
    written = element(15, zlib.compress(written)) if compressed else written
    whole = HEADER + b"IM" + written
    path = tmp_path / "a.mat"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length == len(HEADER) + 2:
            assert read_mat5(path) == {}
            continue
        with pytest.raises(DataError, match=r"a\.mat"):
            read_mat5(path)


@pytest.mark.parametrize("at", range(128, 200))
def test_no_damaged_byte_is_met_unprepared(tmp_path, at):
    whole = bytearray(HEADER + b"IM" + matrix("X", PIXELS))
    whole[at] ^= 0x55
    path = tmp_path / "a.mat"
    path.write_bytes(whole)
    with suppress(DataError):  # numbers may change, but nothing else may happen
        assert all(array.size <= PIXELS.size for array in read_mat5(path).values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with b''"),
        (b"PK" + bytes(200), "another format"),
        (b"MATLAB 7.3 MAT-file".ljust(600), r"save\(\.\.\., '-v7'\)"),
        (b"MATLAB 5.0 MAT-file".ljust(200), "another format"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_mat5(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_mat5(tmp_path / "a.mat")
