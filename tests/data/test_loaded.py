"""A loaded data set is a source too: some of its classes, without its files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from condensery.data import load_data
from condensery.data.whitening import whitened
from condensery.errors import DataError

IMAGES = np.random.default_rng(7).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
PAIR = (IMAGES[:24], np.arange(24) % 3)
TEST = (IMAGES[24:], np.arange(6) % 3)


def test_classes_of_loaded_data_are_those_of_its_source():
    whole = load_data(PAIR, test=TEST)
    again, first = (
        load_data(source, test=None if source is whole else TEST, classes=["2", "0"])
        for source in (whole, PAIR)
    )
    for split in ("train", "test"):
        mine, theirs = getattr(again, split), getattr(first, split)
        assert torch.equal(mine.images, theirs.images)
        assert mine.labels.tolist() == theirs.labels.tolist()
        assert (mine.class_names, mine.mean, mine.std) == (("2", "0"), theirs.mean, theirs.std)


def test_a_split_that_was_held_out_stays_held_out():
    whole = load_data(PAIR)
    some = load_data(whole, classes=["0", "1"])
    kept = {image.numpy().tobytes() for image in whole.test.images}
    assert {image.numpy().tobytes() for image in some.test.images} <= kept
    assert not {image.numpy().tobytes() for image in some.train.images} & kept


def test_all_classes_of_a_known_data_set_keep_its_published_statistics():
    ten = (IMAGES, np.arange(30) % 10)
    known = load_data(ten, name="cifar10")
    assert load_data(known).train.mean == known.train.mean
    assert load_data(known, classes=["cat", "dog"]).name == "cifar10-2-classes"


def test_the_range_of_stored_values_stays_on_record():
    scaled = load_data((IMAGES.astype(np.float32), np.arange(30) % 3), value_range=(0, 255))
    assert load_data(scaled, classes=["1", "2"]).train.value_range == (0, 255)


def test_whitened_data_are_refused():
    plain = load_data(PAIR)
    with pytest.raises(DataError, match="is whitened"):
        load_data(replace(plain, train=whitened(plain.train, "zca")))
