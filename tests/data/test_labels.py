"""Labels from 1, with gaps, of ids and of hashes: named by their numbers, or refused with them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from condensery.data import load_data
from condensery.data.labels import as_labels
from condensery.errors import DataError, DataWarning

IMAGES = np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2).repeat(3, 3)
FROM_ONE = np.arange(12) % 3 + 1


def archive(path: Path, labels: np.ndarray, test_labels: np.ndarray, **more: np.ndarray) -> Path:
    arrays = {"images": IMAGES, "labels": labels, "test_images": IMAGES, "test_labels": test_labels}
    np.savez(path, **arrays, **more)
    return path


def test_labels_from_one_keep_their_numbers_as_class_names_and_a_notice_says_so(tmp_path: Path):
    source = archive(tmp_path / "a.npz", FROM_ONE, FROM_ONE[::-1].copy())
    with pytest.warns(DataWarning, match=r"run from 1 to 3, and no image has the label 0.*--class"):
        data = load_data(source)
    assert data.train.class_names == data.test.class_names == ("1", "2", "3")
    for split, given in ((data.train, FROM_ONE), (data.test, FROM_ONE[::-1])):
        names = [split.class_names[label] for label in split.labels.tolist()]
        assert names == [str(label) for label in given]
    assert len(data.notices) == 1


def test_arrays_that_count_from_one_are_held_out_by_their_own_names():
    with pytest.warns(DataWarning, match="class index is the label minus 1"):
        data = load_data((IMAGES, torch.from_numpy(FROM_ONE)))
    for split in (data.train, data.test):
        for image, label in zip(split.images, split.labels, strict=True):
            assert split.class_names[int(label)] == str(FROM_ONE[int(image[0, 0, 0])])


def test_a_name_for_the_label_0_that_no_image_has_is_dropped(tmp_path: Path):
    names = np.array(["N/A", "a", "b", "c"])
    source = archive(tmp_path / "a.npz", FROM_ONE, FROM_ONE, class_names=names)
    with pytest.warns(DataWarning, match=r"'N/A', which is the name of label 0, is left out"):
        data = load_data(source)
    assert data.train.class_names == ("a", "b", "c")
    assert [data.train.class_names[label] for label in data.train.labels[:3].tolist()] == [*"abc"]


def test_names_that_may_begin_at_0_or_at_1_are_not_guessed(tmp_path: Path):
    names = np.array(["a", "b", "c"])
    source = archive(tmp_path / "a.npz", FROM_ONE, FROM_ONE, class_names=names)
    with pytest.raises(DataError, match=r"label 3 has no name.*subtract 1 from all labels"):
        load_data(source)


def test_labels_that_do_not_count_from_one_in_both_splits_are_refused(each, tmp_path_factory):
    for labels, test_labels in each(
        [
            (FROM_ONE, np.arange(12) % 3),  # the test split counts from 0
            (FROM_ONE, FROM_ONE + 1),  # the test split has another class
            (FROM_ONE * 2, FROM_ONE * 2),
            (FROM_ONE + 1, FROM_ONE + 1),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        with pytest.raises(DataError, match=r"no train image of class 0.* 3 different labels"):
            load_data(archive(tmp_path / "a.npz", labels, test_labels))


def test_a_test_split_without_the_class_0_is_not_counted_from_one(tmp_path: Path):
    source = archive(tmp_path / "a.npz", FROM_ONE - 1, (np.arange(12) % 2 + 1))
    with pytest.raises(DataError, match="no test image of class 0"):
        load_data(source)


def test_gaps_are_named_and_counted():
    with pytest.raises(
        DataError,
        match=r"class 1, 2, 3, 4, 5 and 93 more, though labels go up to 99: there are 2 different "
        r"labels.*numpy\.unique\(labels, return_inverse=True\)",
    ):
        load_data((IMAGES, np.arange(12) % 2 * 99))


@pytest.mark.parametrize(("step", "highest"), [(2**40, 2**41), (2**62, 2**63)])
def test_hashes_are_refused_whatever_their_size(step: int, highest: int):
    labels = np.arange(12, dtype=np.uint64) % np.uint64(3) * np.uint64(step)
    with pytest.raises(DataError, match=rf"3 different numbers from 0 to {highest},.*renumber"):
        load_data((IMAGES, labels))


def test_ids_of_images_are_told_from_ids_of_classes():
    with pytest.raises(
        DataError, match=r"are 12 different numbers from 1099511627776 .*occur once"
    ):
        load_data((IMAGES, np.arange(12) + 2**40))


def test_a_high_label_within_the_number_of_images_is_an_index():
    labels = np.arange(70_000)
    assert as_labels(labels, images=70_000, title="x").tolist() == labels.tolist()
    with pytest.raises(DataError, match="from 0 to 70002"):
        as_labels(np.append(labels, 70_002), images=70_000 + 1, title="x")
    assert as_labels([0, 65_535], images=2, title="x").tolist() == [0, 65_535]


def test_as_many_classes_as_images_are_refused_in_no_time():
    with pytest.raises(DataError, match="no class has two images"):
        load_data((np.zeros((50_000, 1, 1), np.uint8), np.arange(50_000)))


def test_names_in_place_of_numbers_say_how_to_number_them():
    with pytest.raises(DataError, match=r"labels are text, such as 'ant'.*numpy\.unique"):
        load_data((IMAGES, np.array(["ant", "bee", "cat"] * 4)))


def test_labels_from_zero_give_no_notice():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_data((IMAGES, FROM_ONE - 1)).notices == ()


def test_rows_of_labels_are_told_from_several_classes_an_image(each):
    for row, message in each(
        [
            ([0, 1, 0], r"labels\.argmax\(1\)\.$"),
            ([1, 1, 0], "12 rows have several classes or none, which is not supported"),
            ([0, 0, 0], "12 rows have several classes or none"),
            ([0.2, 0.5, 0.3], r"Turn one-hot rows into indices"),
        ]
    ):
        with pytest.raises(DataError, match=rf"labels have shape \(12, 3\), .*{message}"):
            load_data((IMAGES, np.array([row] * 12)))


def test_a_torch_data_set_that_counts_from_one_keeps_its_names():
    items = [(image, int(label)) for image, label in zip(IMAGES, FROM_ONE, strict=True)]

    class Dataset:
        classes = ("N/A", "a", "b", "c")

        def __len__(self) -> int:
            return len(items)

        def __getitem__(self, index: int) -> tuple:
            return items[index]

    with pytest.warns(DataWarning, match="'N/A', which is the name of label 0, is left out"):
        data = load_data(Dataset())
    for image, label in zip(data.train.images, data.train.labels, strict=True):
        assert data.train.class_names[int(label)] == "abc"[int(image[0, 0, 0]) % 3]
