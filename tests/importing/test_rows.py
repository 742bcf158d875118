"""Images and labels are made to fit the data, and ranked by their order in the file."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from condensery.errors import DataError
from condensery.importing.rows import class_indices, fitting_images, ranked, relabelled


def classes_of(labels, data, **choices):
    choices = {"images": 3 if labels.ndim == 0 else len(labels), "centred": False, **choices}
    return class_indices(labels, data.train, title="f", **choices)


def test_images_of_the_data_are_taken_as_they_are(cifar10):
    images = torch.rand(5, 3, 4, 6)
    assert torch.equal(fitting_images(images, cifar10.train, title="f"), images)


def test_channels_may_come_last(cifar10):
    images = torch.rand(5, 3, 4, 6)
    last = images.permute(0, 2, 3, 1)
    assert torch.equal(fitting_images(last, cifar10.train, title="f"), images)


def test_grey_images_may_have_no_channel(mine):
    images = torch.rand(5, 4, 6)
    assert torch.equal(fitting_images(images, mine.train, title="f"), images[:, None])


def test_half_and_double_precision_become_single(cifar10):
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        images = torch.rand(2, 3, 4, 6).to(dtype)
        fitting = fitting_images(images, cifar10.train, title="f")
        assert torch.equal(fitting, images.float())


@pytest.mark.parametrize(
    "shape", [(5, 1, 4, 6), (5, 3, 6, 4), (5, 3, 8, 8), (5, 4, 6), (3, 4, 6), (0, 3, 4, 6), (72,)]
)
def test_another_shape_is_refused_with_both(cifar10, shape):
    with pytest.raises(DataError, match=r"shape \[.*3 x 4 x 6.*--size"):
        fitting_images(torch.zeros(shape), cifar10.train, title="f")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_counted_and_refused(cifar10, value):
    images = torch.rand(5, 3, 4, 6)
    images[1, 2, 3, 4] = value
    with pytest.raises(DataError, match="1 of 360 values are NaN or infinite"):
        fitting_images(images, cifar10.train, title="f")


def test_whole_numbers_are_no_pixels(cifar10):
    with pytest.raises(DataError, match="int64"):
        fitting_images(torch.zeros(5, 3, 4, 6, dtype=torch.int64), cifar10.train, title="f")


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.float32])
def test_classes_may_be_of_any_type_of_number(mine, dtype):
    given = torch.tensor([2, 0, 1, 1], dtype=dtype)
    class_, soft = classes_of(given, mine)
    assert class_.tolist() == [2, 0, 1, 1]
    assert class_.dtype == torch.int64
    assert soft is None
    assert classes_of(given[:, None], mine)[0].tolist() == [2, 0, 1, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 3]), r"0 to 3, but mine has 3 classes \(0\.\.2\)"),
        (torch.tensor([-1, 1, 2]), "-1 to 2"),
        (torch.tensor([0.5, 1, 2]), "no whole class numbers"),
        (torch.tensor([True, False, True]), "no whole class numbers"),
        (torch.zeros(3, 4), "for 4 classes, but mine has 3"),
        (torch.full((3, 3), float("nan")), "NaN"),
        (torch.tensor([[3.0, 1, -2], [0, 1, 0], [2, 0, 0]]), "no probabilities.*softmax"),
        (torch.zeros(3, 3, 1), "one label for every image"),
        (torch.tensor(3), "one label for every image"),
    ],
)
def test_labels_that_do_not_fit_are_refused(mine, labels, message):
    with pytest.raises(DataError, match=message):
        classes_of(labels, mine, images=3)


def test_as_many_labels_as_images_are_needed(mine):
    with pytest.raises(DataError, match="4 images, but labels of shape"):
        classes_of(torch.zeros(3), mine, images=4)


@pytest.mark.parametrize("shift", [0.0, 1 / 3])
@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_labels_that_say_a_class_and_no_more_are_not_learned(mine, shift, scale):
    labels = scale * one_hot(torch.tensor([2, 0, 1]), 3) - shift
    class_, soft = classes_of(labels, mine, centred=True)
    assert class_.tolist() == [2, 0, 1]
    assert soft is None


def test_learned_probabilities_are_kept(mine):
    labels = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.0, 0.1, 0.9]])
    class_, soft = classes_of(labels.double(), mine)
    assert class_.tolist() == [0, 1, 2]
    assert soft is not None
    assert torch.equal(soft, labels)


def test_centred_learned_labels_get_their_centre_back(mine):
    labels = torch.tensor([[0.7, 0.2, 0.3], [-0.1, 0.5, 0.4], [0.0, 0.1, 0.9]])
    class_, soft = classes_of(labels - 1 / 3, mine, centred=True)
    assert class_.tolist() == [0, 1, 2]
    torch.testing.assert_close(soft, labels)


def test_folders_are_matched_with_classes_by_their_letters(dataset):
    data = dataset(classes=10, channels=1, name="fashion-mnist")
    names = sorted(name.replace("/", "_").lower() for name in data.train.class_names)
    class_ = relabelled(torch.arange(10), names, data.train, title="f")
    found = [data.train.class_names[i] for i in class_]
    assert [name.replace("/", "_").lower() for name in found] == names
    assert found != list(data.train.class_names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("0", "1", "cat"), "'cat' is none of them"),
        (("0", "1"), "there are 2 folders"),
        (("0", "1", "1"), "there are 3 folders"),
    ],
)
def test_folders_of_other_classes_are_refused(mine, names, message):
    with pytest.raises(DataError, match=rf"classes of mine are 0, 1, 2 \(3\), but {message}"):
        relabelled(torch.zeros(1, dtype=torch.int64), names, mine.train, title="f")


def test_the_rank_is_the_place_among_the_images_of_the_class(mine):
    kept, rank = ranked(torch.tensor([2, 0, 0, 1, 2, 1]), mine.train, ipc=None, title="f")
    assert kept.tolist() == [0, 1, 2, 3, 4, 5]
    assert rank.tolist() == [0, 0, 1, 0, 1, 1]


def test_the_first_images_of_every_class_can_be_kept(mine):
    kept, rank = ranked(torch.tensor([2, 0, 0, 1, 2, 1, 1]), mine.train, ipc=1, title="f")
    assert kept.tolist() == [0, 1, 3]
    assert rank.tolist() == [0, 0, 0]


def test_classes_of_different_numbers_are_refused_with_what_can_be_kept(mine):
    class_ = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    with pytest.raises(DataError, match=r"'1' has 2 images and class '0' has 3.*--ipc 2"):
        ranked(class_, mine.train, ipc=None, title="f")
    with pytest.raises(DataError, match=r"class '1' has 2 images\. Give at most 2"):
        ranked(class_, mine.train, ipc=3, title="f")


def test_a_class_without_images_is_named(mine):
    class_ = torch.tensor([0, 2])
    with pytest.raises(DataError, match="class '1' has no image"):
        ranked(class_, mine.train, ipc=1, title="f")
    with pytest.raises(DataError, match="class '1' has 0 images"):
        ranked(class_, mine.train, ipc=None, title="f")
