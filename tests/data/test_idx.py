"""IDX files are written here byte by byte, as their format says, and damaged in every way."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from condensery.data import load_data
from condensery.errors import DataError

IMAGES = np.random.default_rng(1).integers(0, 256, (20, 5, 4), dtype=np.uint8)
LABELS = (np.arange(20) % 4).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    return (
        bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + bytes(array)
    )


def written(folder: Path, *, names: str = "{}-{}-idx{}-ubyte", test: bool = True) -> Path:
    for split in ("train", "t10k") if test else ("train",):
        (folder / names.format(split, "images", 3)).write_bytes(idx(IMAGES))
        (folder / names.format(split, "labels", 1)).write_bytes(idx(LABELS))
    return folder


def test_a_folder_gives_both_splits(tmp_path: Path):
    data = load_data(written(tmp_path))
    assert (data.train.images[:, 0].numpy() == IMAGES).all()
    assert (data.test.labels.numpy() == LABELS).all()
    assert (
        data.train.fingerprint
        == load_data((IMAGES, LABELS), test=(IMAGES, LABELS)).train.fingerprint
    )


@pytest.mark.parametrize("names", ["{}-{}.idx{}-ubyte", "emnist-letters-{}-{}-idx{}-ubyte"])
def test_other_spellings_are_known(tmp_path: Path, names: str):
    assert len(load_data(written(tmp_path, names=names)).test) == 20


def test_gzipped_files_are_read(tmp_path: Path):
    for path in list(written(tmp_path).iterdir()):
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert (load_data(tmp_path).train.images[:, 0].numpy() == IMAGES).all()


def test_without_a_test_split_a_fifth_is_held_out(tmp_path: Path):
    data = load_data(written(tmp_path, test=False))
    assert data.test.counts().tolist() == [1, 1, 1, 1]
    assert len(data.train) == 16


def test_size_is_applied(tmp_path: Path):
    assert load_data(written(tmp_path), image_size=3).test.side == (3, 3)


def test_the_folder_names_a_known_set(tmp_path: Path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx((np.arange(20) % 10).astype(np.uint8)))
    data = load_data(folder)
    assert (data.name, data.train.mean, data.train.std) == ("mnist", (0.1307,), (0.3081,))


def test_a_damaged_or_foreign_file_is_named(each, tmp_path_factory):
    for content, message in each(
        [
            (idx(IMAGES)[:-1], r"announces 400 bytes .* holds 399"),
            (idx(IMAGES) + b"x", r"announces 400 bytes .* holds 401"),
            (idx(IMAGES)[:10], r"begins with 00 00 08 03"),
            (b"", "begins with nothing"),
            (b"\x89PNG\r\n\x1a\n" + bytes(99), r"begins with 89 50 4e 47, but .* 00 00 08 03"),
            (idx(LABELS), r"begins with 00 00 08 01"),
            (gzip.compress(idx(IMAGES), mtime=0)[:-20], "truncated or damaged"),
            (b"\x1f\x8b" + bytes(30), "cannot be read"),
            (idx(IMAGES[:0]), "no pixels"),
            (idx(IMAGES[:19]), "19 images but 20 labels"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        (written(tmp_path) / "t10k-images-idx3-ubyte").write_bytes(content)
        with pytest.raises(DataError, match=rf"t10k-images-idx3-ubyte.*{message}"):
            load_data(tmp_path)


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ("train-labels-idx1-ubyte", "train-images-idx3-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ],
)
def test_a_missing_half_is_named(tmp_path: Path, gone: str, left: str):
    (written(tmp_path) / gone).unlink()
    with pytest.raises(DataError, match=rf"'{left}', but .* missing. Put '{gone}'"):
        load_data(tmp_path)


def test_of_two_sets_in_one_folder_one_is_chosen_by_the_beginning_of_its_names(tmp_path: Path):
    written(tmp_path)
    written(tmp_path, names="other-{}-{}-idx{}-ubyte", test=False)
    with pytest.raises(DataError, match=r"several data sets \(other and one whose .* no prefix\)"):
        load_data(tmp_path)
    for source in (tmp_path / "other", tmp_path / "other-*", sorted(tmp_path.glob("other-*"))):
        assert len(load_data(source).train) == 16  # a fifth is held out
    without = [path for path in tmp_path.iterdir() if not path.name.startswith("other")]
    assert len(load_data(without).train) == 20
    with pytest.raises(DataError, match="there is no such file or folder"):
        load_data(tmp_path / "oth")


def wide(array: np.ndarray, kind: int) -> bytes:
    header = bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def test_labels_of_every_integer_type_are_read(each, tmp_path_factory):
    for dtype, kind in each([("i1", 9), ("i2", 11), ("i4", 12)]):
        tmp_path = tmp_path_factory.mktemp("case")
        content = wide(LABELS.astype(dtype), kind)
        (written(tmp_path) / "train-labels-idx1-ubyte").write_bytes(content)
        assert load_data(tmp_path).train.labels.tolist() == LABELS.tolist()


def test_label_tables_that_are_not_those_of_qmnist_are_refused(each, tmp_path_factory):
    for content, message in each(
        [
            (
                wide(np.zeros((20, 3), np.int32), 12),
                "holds 3 numbers for each image, but labels are",
            ),
            (wide(np.zeros((20, 8), np.int32), 12)[:-1], "announces 640 bytes .* holds 639"),
            (
                wide(np.zeros((20, 8), np.float32), 13),
                "begins with 00 00 0d 02, but an IDX file of int",
            ),
            (wide(np.full((20, 8), -1, np.int32), 12), r"20 label\(s\) are negative"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        written(tmp_path, names="qmnist-{}-{}-idx{}-ubyte", test=False)
        (tmp_path / "qmnist-train-labels-idx1-ubyte").unlink()
        with pytest.raises(DataError, match=r"missing. Put 'qmnist-train-labels-idx2-int'"):
            load_data(tmp_path)
        (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(content)
        with pytest.raises(DataError, match=message):
            load_data(tmp_path)


def test_labels_of_emnist_letters_that_count_from_zero_are_only_numbers(tmp_path: Path):
    folder = written(tmp_path, names="emnist-letters-{}-{}-idx{}-ubyte")
    assert load_data(folder).train.class_names == ("0", "1", "2", "3")


def test_debians_fashion_mnist_is_complete():
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    data = load_data(folder)
    assert (data.name, data.train.side) == ("fashion-mnist", (28, 28))
    assert data.train.class_names[9] == "Ankle boot"
    assert data.train.counts().tolist() == [6000] * 10
    assert data.test.counts().tolist() == [1000] * 10
    assert (data.train.mean, data.train.std) == ((0.2861,), (0.3530,))
    assert data.train.images.double().mean().item() / 255 == pytest.approx(0.2861, abs=1e-3)
