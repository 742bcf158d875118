"""Data sets as they are downloaded: CIFAR binary and Python, SVHN, torchvision's folders."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from condensery import registry
from condensery.data import load_data
from condensery.data.readers import layouts
from condensery.data.source import Source, Split
from condensery.errors import DataError

DRAW = np.random.default_rng(0)
NAMES = ("airplane", "automobile", "bird")


def pixels(count: int) -> np.ndarray:
    return DRAW.integers(0, 256, (count, 3072), dtype=np.uint8)


def of_python_2(value: object) -> bytes:
    """A pickle as Python 2 and its NumPy wrote it: protocol 2, text as plain bytes."""
    if isinstance(value, dict):
        items = b"".join(of_python_2(k) + of_python_2(v) for k, v in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(of_python_2, value)) + b"e"
    if isinstance(value, bytes):
        return b"T" + struct.pack("<I", len(value)) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    assert isinstance(value, np.ndarray)
    shape = b"".join(of_python_2(extent) for extent in value.shape)
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    minus_one = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNN" + minus_one * 2 + b"K\x00tb"
    return made + b"(K\x01(" + shape + b"t" + dtype + b"\x89" + of_python_2(value.tobytes()) + b"tb"


def write_pickle(path: Path, value: object) -> None:
    path.write_bytes(b"\x80\x02" + of_python_2(value) + b".")


def cifar10_python(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    images, labels = pixels(12), np.arange(12) % 3
    for n, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        two = slice(2 * n, 2 * n + 2)
        batch = {b"data": images[two], b"labels": labels[two].tolist(), b"batch_label": b"x"}
        write_pickle(folder / name, batch)
    write_pickle(folder / "batches.meta", {b"label_names": [x.encode() for x in NAMES]})
    return images, labels


def cifar10_binary(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    images, labels = pixels(12), np.arange(12, dtype=np.uint8) % 3
    for n, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        two = slice(2 * n, 2 * n + 2)
        records = np.concatenate([labels[two, None], images[two]], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return images, labels


def cifar100_binary(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    images, labels = pixels(12), np.arange(12, dtype=np.uint8) % 3
    coarse = np.full((12, 1), 19, dtype=np.uint8)
    records = np.concatenate([coarse, labels[:, None], images], axis=1)
    (folder / "train.bin").write_bytes(records[:10].tobytes())
    (folder / "test.bin").write_bytes(records[10:].tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(NAMES))
    return images, labels


def cifar100_python(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    images, labels = pixels(12), np.arange(12) % 3
    for name, part in (("train", slice(10)), ("test", slice(10, 12))):
        held = {b"fine_labels": labels[part].tolist(), b"coarse_labels": [0], b"data": images[part]}
        write_pickle(folder / name, held)
    write_pickle(folder / "meta", {b"fine_label_names": [x.encode() for x in NAMES]})
    return images, labels


ALL = {
    "cifar-10-batches-py": cifar10_python,
    "cifar-10-batches-bin": cifar10_binary,
    "cifar-100-python": cifar100_python,
    "cifar-100-binary": cifar100_binary,
}


def test_cifar_is_read_as_its_authors_publish_it(each, tmp_path_factory):
    for inside, name in each(product([False, True], ALL)):
        tmp_path = tmp_path_factory.mktemp("case")
        images, labels = ALL[name](tmp_path / name)
        source = layouts.read(tmp_path if inside else tmp_path / name)
        assert source is not None
        assert source.test is not None
        assert source.title == str(tmp_path / name)
        assert source.class_names == NAMES
        expected = images.reshape(-1, 3, 32, 32)
        np.testing.assert_array_equal(source.train.images.numpy(), expected[:10])
        np.testing.assert_array_equal(source.test.images.numpy(), expected[10:])
        assert source.train.labels.tolist() == labels[:10].tolist()
        assert source.test.labels.tolist() == labels[10:].tolist()


def test_the_pickles_here_are_those_of_the_pickle_module(tmp_path):
    write_pickle(tmp_path / "x", {b"data": pixels(2), b"labels": [1, 2]})
    held = pickle.loads((tmp_path / "x").read_bytes(), encoding="bytes")
    assert held[b"labels"] == [1, 2]
    assert held[b"data"].shape == (2, 3072)


def test_a_pickle_that_numpy_2_wrote_is_read_too(tmp_path):
    images, _ = cifar100_python(tmp_path / "set")
    held = {b"data": images[:10], b"fine_labels": [0, 1, 2] * 3 + [0]}
    (tmp_path / "set" / "train").write_bytes(pickle.dumps(held, protocol=4))
    source = layouts.read(tmp_path / "set")
    assert source is not None
    np.testing.assert_array_equal(source.train.images.numpy().reshape(10, -1), images[:10])


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("victim", ["data_batch_3", "batches.meta"])
def test_a_pickle_that_would_run_code_runs_nothing(tmp_path, victim):
    cifar10_python(tmp_path / "set")
    made = tmp_path / "made"
    (tmp_path / "set" / victim).write_bytes(pickle.dumps(Touch(made)))
    with pytest.raises(DataError, match=r"asks for '\w+\.system' to be run.*binary version"):
        layouts.read(tmp_path / "set")
    assert not made.exists()


def test_numpy_is_not_asked_to_rebuild_what_a_pickle_claims(tmp_path, monkeypatch):
    cifar10_python(tmp_path / "set")
    rebuilt: list[object] = []
    core = np._core if hasattr(np, "_core") else np.core  # before NumPy 2
    monkeypatch.setattr(core.multiarray, "_reconstruct", lambda *x: rebuilt.append(x))
    assert layouts.read(tmp_path / "set") is not None
    assert rebuilt == []


def test_a_pickle_of_something_else_is_refused(each, tmp_path_factory):
    for held in each(
        [
            {b"data": pixels(2)},
            {b"labels": [0, 1]},
            {b"data": pixels(2)[:, :100].copy(), b"labels": [0, 1]},
            {b"data": [1, 2], b"labels": [0, 1]},
            {b"data": pixels(2), b"labels": [0]},
            [1, 2],
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        cifar10_python(tmp_path / "set")
        write_pickle(tmp_path / "set" / "data_batch_2", held)
        with pytest.raises(DataError, match="data_batch_2"):
            layouts.read(tmp_path / "set")


def test_an_array_that_claims_more_than_its_bytes_is_refused(tmp_path):
    cifar10_python(tmp_path / "set")
    path = tmp_path / "set" / "data_batch_2"
    whole = path.read_bytes()
    path.write_bytes(
        whole.replace(
            b"(" + of_python_2(2) + of_python_2(3072), b"(" + of_python_2(3) + of_python_2(3072)
        )
    )
    assert path.read_bytes() != whole
    with pytest.raises(DataError, match="not whole"):
        layouts.read(tmp_path / "set")


def test_a_cut_file_is_refused(each, tmp_path_factory):
    for name in each(ALL):
        tmp_path = tmp_path_factory.mktemp("case")
        ALL[name](tmp_path / name)
        for path in sorted((tmp_path / name).iterdir()):
            whole = path.read_bytes()
            if path.suffix == ".txt":
                continue
            path.write_bytes(whole[: len(whole) // 2 + 1])
            with pytest.raises(DataError, match=path.name.replace(".", r"\.")):
                layouts.read(tmp_path / name)
            path.write_bytes(whole)


def test_a_missing_batch_is_named(tmp_path):
    cifar10_binary(tmp_path / "set")
    (tmp_path / "set" / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"no 'data_batch_4\.bin'"):
        layouts.read(tmp_path / "set")


def idx(folder: Path, count: int = 6) -> np.ndarray:
    folder.mkdir(parents=True)
    images = DRAW.integers(0, 256, (count, 4, 4), dtype=np.uint8)
    for name in ("train", "t10k"):
        content = b"\0\0\x08\x03" + struct.pack(">III", count, 4, 4) + images.tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(content)
        content = b"\0\0\x08\x01" + struct.pack(">I", count) + bytes(range(count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(content)
    return images


def test_idx_files_lie_where_torchvision_puts_them(each, tmp_path_factory):
    for name in each(["MNIST/raw", "FashionMNIST/raw", "raw", "."]):
        tmp_path = tmp_path_factory.mktemp("case")
        images = idx(tmp_path / "root" / name)
        source = layouts.read(tmp_path / "root")
        assert source is not None
        np.testing.assert_array_equal(source.train.images[:, 0].numpy(), images)
        assert source.title == str(tmp_path / "root" / name)


def test_two_data_sets_in_a_folder_are_refused(tmp_path):
    idx(tmp_path / "MNIST" / "raw")
    idx(tmp_path / "FashionMNIST" / "raw")
    with pytest.raises(DataError, match="several data sets, in 'MNIST/raw' and 'FashionMNIST/raw'"):
        layouts.read(tmp_path)


def test_svhn_counts_its_digits_from_one(tmp_path):
    io = pytest.importorskip("scipy.io")
    images = DRAW.integers(0, 256, (32, 32, 3, 10), dtype=np.uint8)
    labels = np.arange(1, 11, dtype=np.uint8)[:, None]
    for name, part in (("train", slice(10)), ("test", slice(2, 5))):
        held = {"X": images[..., part], "y": labels[part]}
        io.savemat(tmp_path / f"{name}_32x32.mat", held, do_compression=True)
    source = layouts.read(tmp_path)
    assert source is not None
    assert source.test is not None
    assert source.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert source.test.labels.tolist() == [3, 4, 5]
    np.testing.assert_array_equal(source.train.images.numpy(), images.transpose(3, 2, 0, 1))
    (tmp_path / "test_32x32.mat").unlink()
    alone = layouts.read(tmp_path)
    assert alone is not None
    assert alone.test is None


def test_other_matlab_files_of_that_name_are_refused(each, tmp_path_factory):
    io = pytest.importorskip("scipy.io")
    for held in each(
        [
            {"X": np.zeros((4, 4, 3, 2), np.uint8)},
            {"X": np.zeros((4, 4, 3, 2)), "y": [[1], [2]]},
            {"X": np.zeros((4, 4, 3, 2), np.uint8), "y": [[0], [1]]},
            {"X": np.zeros((4, 4, 3, 2), np.uint8), "y": [[1.5], [2]]},
            {"X": np.zeros((4, 4, 3, 2), np.uint8), "y": [[1], [2], [3]]},
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        io.savemat(tmp_path / "train_32x32.mat", held)
        with pytest.raises(DataError, match="train_32x32"):
            layouts.read(tmp_path)


def test_a_file_of_another_format_is_named(each, tmp_path_factory):
    pytest.importorskip("scipy.io")
    for content, message in each(
        [
            (b"", "cannot be read as a MATLAB file"),
            (b"PK" + bytes(200), "cannot be read as a MATLAB file .* another format"),
            (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400), r"save\(\.\.\., '-v7'\)"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        (tmp_path / "train_32x32.mat").write_bytes(content)
        with pytest.raises(DataError, match=rf"train_32x32\.mat: .*{message}"):
            layouts.read(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_cut_matlab_file_is_refused(tmp_path, compressed):
    io = pytest.importorskip("scipy.io")
    path = tmp_path / "train_32x32.mat"
    held = {"X": np.zeros((8, 8, 3, 4), np.uint8), "y": np.array([[1], [2], [3], [4]])}
    io.savemat(path, held, do_compression=compressed)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"train_32x32\.mat"):
            layouts.read(tmp_path)


def test_without_scipy_the_remedy_is_named(tmp_path, monkeypatch):
    (tmp_path / "test_32x32.mat").touch()
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DataError, match=r"pip install 'condensery\[mat\]'"):
        layouts.read(tmp_path)


def test_a_folder_of_something_else_is_left_to_others(tmp_path):
    (tmp_path / "cat" / "raw").mkdir(parents=True)
    (tmp_path / "cat" / "1.png").touch()
    assert layouts.read(tmp_path) is None


def test_a_layout_of_another_package_is_read_like_the_built_in_ones(tmp_path, monkeypatch):
    def read(folder: Path, how: object, classes: object) -> Source:
        del how, classes
        pixels = np.frombuffer((folder / "pixels.raw").read_bytes(), np.uint8)
        images = torch.from_numpy(pixels.reshape(12, 1, 8, 8).copy())
        return Source(title=str(folder), train=Split(images=images, labels=torch.arange(12) % 2))

    known = {slot: dict(named) for slot, named in registry._parts.items()}
    monkeypatch.setattr(registry, "_parts", known)
    theirs = layouts.Layout("raw", (), lambda folder: (folder / "pixels.raw").is_file(), read)
    registry.register("layout", "raw")(theirs)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "pixels.raw").write_bytes(bytes(range(256)) * 3)
    data = load_data(tmp_path / "set")
    assert (data.name, len(data.train) + len(data.test)) == ("set", 12)
