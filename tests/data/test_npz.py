"""NumPy archives: every known set of keys, and every way to be none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from condensery.data import load_data
from condensery.errors import DataError, DataWarning

IMAGES = np.random.default_rng(2).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


def test_four_keys_give_both_splits(each, tmp_path_factory):
    for keys in each(
        [
            ("images", "labels", "test_images", "test_labels"),
            ("x_train", "y_train", "x_test", "y_test"),
            ("train_images", "train_labels", "test_images", "test_labels"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "made.npz"
        arrays = (IMAGES, LABELS, IMAGES[:6] / 255, LABELS[:6, None])
        np.savez(path, **dict(zip(keys, arrays, strict=True)))
        data = load_data(path)
        expected = load_data((IMAGES, LABELS), test=(IMAGES[:6], LABELS[:6]))
        assert data.name == "made"
        assert data.train.fingerprint == expected.train.fingerprint
        assert data.test.fingerprint == expected.test.fingerprint


def test_validation_images_take_the_place_of_a_test_split_that_is_not_there(tmp_path: Path):
    path = tmp_path / "made.npz"
    train = {"train_images": IMAGES, "train_labels": LABELS}
    held = {"val_images": IMAGES[:6], "val_labels": LABELS[:6]}
    np.savez(path, **train, **held)
    with pytest.warns(DataWarning, match=r"'val_images' and 'val_labels' are used.*--test"):
        assert len(load_data(path).test) == 6
    np.savez(path, **train, **held, test_images=IMAGES[:9], test_labels=LABELS[:9])
    assert len(load_data(path).test) == 9


def test_images_and_labels_alone_are_held_out_like_arrays(tmp_path: Path):
    path = tmp_path / "made.npz"
    np.savez_compressed(path, images=IMAGES, labels=LABELS, class_names=np.array(["a", "b", "c"]))
    data = load_data(str(path))
    assert data.test.fingerprint == load_data((IMAGES, LABELS)).test.fingerprint
    assert data.test.class_names == ("a", "b", "c")


def test_archives_that_cannot_be_read_are_refused(each, tmp_path_factory):
    for arrays, message in each(
        [
            ({"photos": IMAGES}, r"holds 'photos', but neither images nor x_train"),
            ({}, "holds nothing"),
            ({"images": IMAGES}, "no 'labels'"),
            ({"images": IMAGES, "label": LABELS}, "no 'labels'. Did you mean 'label'"),
            ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "no 'y_test'"),
            ({"images": IMAGES, "labels": LABELS.astype(object)}, "pickled"),
            ({"images": IMAGES, "labels": LABELS[:3]}, "12 images but 3 labels"),
            ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a"])}, "label 2"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "made.npz"
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=message):
            load_data(path)


def test_pickled_content_is_never_run(tmp_path: Path):
    path = tmp_path / "made.npz"
    target = tmp_path / "ran"
    # protocol 0: call open(target, "w")
    path.write_bytes(f"cbuiltins\nopen\n(V{target}\nVw\ntR.".encode())
    with pytest.raises(DataError, match=r"made\.npz"):
        load_data(path)
    assert not target.exists()


def test_truncated_archives_are_refused(each, tmp_path_factory):
    for keep in each([0, 3, 100, 400]):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "made.npz"
        np.savez_compressed(path, images=IMAGES, labels=LABELS)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(DataError, match=r"made\.npz"):
            load_data(path)


def test_flipped_bytes_inside_an_archive_are_noticed(tmp_path: Path):
    path = tmp_path / "made.npz"
    np.savez_compressed(path, images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    content[300:320] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_data(path)
