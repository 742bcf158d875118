"""Arrays: the same pixels in any layout and type are the same data; the rest is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from condensery.data import load_data
from condensery.errors import DataError

LABELS = np.arange(30) % 3
BYTES = np.random.default_rng(0).integers(0, 256, (30, 3, 6, 5), dtype=np.uint8)


def test_layouts_and_types_give_the_same_data():
    expected = load_data((BYTES, LABELS)).train.fingerprint
    channels_last = BYTES.transpose(0, 2, 3, 1)
    same = [
        (channels_last, LABELS.tolist()),
        (BYTES / 255, LABELS.astype(np.uint8)),
        ((BYTES / 255).astype(">f4"), LABELS[:, None]),
        (torch.from_numpy(BYTES), torch.from_numpy(LABELS)),
        (torch.from_numpy(channels_last).float() / 255, torch.from_numpy(LABELS).to(torch.int16)),
        [BYTES, LABELS],
    ]
    for pair in same:
        assert load_data(pair).train.fingerprint == expected


def test_grey_images_need_no_channel_axis():
    grey = load_data((BYTES[:, 0], LABELS))
    assert grey.train.channels == 1
    assert grey.train.side == (6, 5)
    assert grey.train.fingerprint == load_data((BYTES[:, :1], LABELS)).train.fingerprint


def test_floats_are_rounded_to_the_nearest_level():
    floats = np.array([0.0, 0.4, 0.6, 1.4, 254.6, 255.0]).repeat(4).reshape(6, 2, 2) / 255
    data = load_data((floats, [0, 1, 0, 1, 0, 1]), test=(floats, [0, 1, 0, 1, 0, 1]))
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 255, 255]


def test_data_is_a_copy_that_later_changes_cannot_reach():
    images = BYTES.copy()
    data = load_data((images, LABELS), test=(BYTES, LABELS))
    images[:] = 0
    assert data.train.fingerprint == data.test.fingerprint


def test_the_input_is_left_alone_even_if_it_cannot_be_written():
    images = BYTES.copy()
    images.setflags(write=False)
    load_data((images, LABELS), image_size=4)
    assert (images == BYTES).all()


def test_statistics_are_those_of_the_train_split_for_both():
    data = load_data((BYTES, LABELS), test=(BYTES[:3] // 2, LABELS[:3]))
    expected = (BYTES / 255).mean((0, 2, 3))
    np.testing.assert_allclose(data.train.mean, expected, rtol=1e-12)
    assert data.test.mean == data.train.mean
    assert data.test.std == data.train.std
    assert data.train.class_names == ("0", "1", "2")
    assert data.name == "arrays"


def test_a_name_brings_published_constants():
    data = load_data((BYTES, np.arange(30) % 10), name="CIFAR-10")
    assert data.name == "cifar10"
    assert data.train.mean == (0.4914, 0.4822, 0.4465)
    assert load_data((BYTES, LABELS), name="mine").name == "mine"


def test_what_cannot_be_condensed_is_refused(each):
    for images, labels, message in each(
        [
            (BYTES[:0], [], "empty axis"),
            (BYTES[:0] / 255, [], "empty axis"),
            (BYTES[0, 0], [0] * 6, "2 axes"),
            (BYTES.repeat(2, 1), LABELS, "1 or 3 channels"),
            (BYTES.astype(np.int64), LABELS, "type int64"),
            (torch.from_numpy(BYTES).to(torch.int32), LABELS, "type int32"),
            (BYTES.astype(np.complex64), LABELS, "complex64 are not dense real numbers"),
            (BYTES.astype(object), LABELS, "object are not dense real numbers"),
            (torch.from_numpy(BYTES).float().to_sparse(), LABELS, "layout sparse_coo"),
            (BYTES.astype(np.float32), LABELS, r"from 0 to 255, outside \[0, 1\],.*range 0,255 "),
            (BYTES / 255 - 0.5, LABELS, "normalisation"),
            (np.where(BYTES > 250, np.nan, 0.5), LABELS, "NaN"),
            (np.where(BYTES > 250, np.inf, 0.5), LABELS, "infinite"),
            ([[1, 2]], LABELS, "images are a list"),
            (BYTES, LABELS[:-1], "30 images but 29 labels"),
            (BYTES, LABELS / 1.0, "type float64"),
            (BYTES, torch.zeros(30, dtype=torch.bfloat16), "type float32"),
            (BYTES, LABELS == 1, "type bool"),
            (BYTES, LABELS - 1, r"10 label\(s\) are negative \(lowest -1\)"),
            (BYTES, np.eye(3)[LABELS], "argmax"),
            (BYTES, ["cat"] * 30, "integers"),
            (BYTES, [[1], [2, 3]], "not an array"),
            (BYTES, LABELS * 2, "no train image of class 1, 3, though"),
            (BYTES, LABELS * 0, "one class"),
            (BYTES, np.arange(30), "no class has two images"),
        ]
    ):
        with pytest.raises(DataError, match=message):
            load_data((images, labels))


def test_a_test_split_that_does_not_fit_is_refused(each):
    for images, labels, message in each(
        [
            (BYTES[:, :1], LABELS, r"\(3, 6, 5\) and test images \(1, 6, 5\).*grey"),
            (BYTES[:, :, :5], LABELS, r"Give --image-size"),
            (BYTES, np.arange(30) % 4, "test image has label 3, but there are 3 classes"),
            (BYTES, LABELS % 2, r"no test image of class 2"),
        ]
    ):
        with pytest.raises(DataError, match=message):
            load_data((BYTES, LABELS), test=(images, labels))


def test_what_is_no_source_is_refused(each):
    for source in each([None, 3, {"train": 1}, BYTES, torch.zeros(3), [], (1, 2, 3)]):
        with pytest.raises(DataError, match="not a data set that can be read"):
            load_data(source)


def test_a_size_is_a_positive_whole_number(each):
    for size in each([0, -1, 8.0, True, "8"]):
        with pytest.raises(DataError, match=re.escape(f"--image-size {size!r} (image_size=)")):
            load_data((BYTES, LABELS), image_size=size)  # type: ignore[arg-type]


def test_size_brings_arrays_to_a_square():
    data = load_data((BYTES, LABELS), image_size=4)
    assert data.train.side == data.test.side == (4, 4)


@pytest.mark.filterwarnings("ignore::condensery.errors.DataWarning")
def test_size_crops_the_centre_when_the_shorter_side_fits():
    wide = np.zeros((4, 4, 8), dtype=np.uint8)
    wide[:, :, 2:6] = np.arange(1, 17, dtype=np.uint8).reshape(4, 4)
    data = load_data((wide, [0, 1, 0, 1]), image_size=4, test=(wide, [0, 1, 0, 1]))
    assert data.train.images[0, 0].flatten().tolist() == list(range(1, 17))


@pytest.mark.filterwarnings("ignore::condensery.errors.DataWarning")
def test_size_keeps_a_flat_colour_flat():
    flat = np.full((4, 3, 7, 9), 77, dtype=np.uint8) + np.arange(3, dtype=np.uint8)[:, None, None]
    data = load_data((flat, [0, 1, 0, 1]), image_size=12)
    assert data.train.side == (12, 12)
    assert data.train.images.amin((0, 2, 3)).tolist() == [77, 78, 79]
    assert data.train.images.amax((0, 2, 3)).tolist() == [77, 78, 79]
