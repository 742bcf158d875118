"""Images and labels are made to fit the data, and ranked by their order in the file."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn.functional import one_hot

from condensery.condensed.importing.rows import fitting_images, labels_of, ranked
from condensery.errors import DataError


def read(labels, data, **choices):
    choices = {
        "images": 3 if labels.ndim == 0 else len(labels),
        "classes": data.train.classes,
        "learned": "probabilities",
        "by_class": False,
        **choices,
    }
    return labels_of(labels, name=data.name, title="f", **choices)


def classes_of(labels, data, **choices):
    found = read(labels, data, **choices)
    return found.class_, found.soft


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


def test_another_shape_is_refused_with_both(each, cifar10):
    for shape in each(
        [(5, 1, 4, 6), (5, 3, 6, 4), (5, 3, 8, 8), (5, 4, 6), (3, 4, 6), (0, 3, 4, 6), (72,)]
    ):
        with pytest.raises(DataError, match=r"shape \[.*3 x 4 x 6"):
            fitting_images(torch.zeros(shape), cifar10.train, title="f")


def test_the_way_out_fits_the_shape(each, cifar10):
    for shape, way in each(
        [
            ((5, 3, 8, 8), "--image-size 8 "),
            ((5, 8, 8, 3), "--image-size 8 "),
            ((5, 1, 4, 6), "grey images and cifar10 colour ones"),
            ((5, 4, 6), "grey images and cifar10 colour ones"),
            ((5, 72), r"save the images as \[image, 3, 4, 6\]"),
            ((10, 2, 3, 4, 6), "one axis too many"),
            ((3, 4, 6), "one image without an axis for images"),
            ((4, 6, 3), "one image without an axis for images"),
            ((0, 3, 4, 6), "holds no image"),
            ((5, 3, 6, 4), "images of the size of the file"),
        ]
    ):
        with pytest.raises(DataError, match=way):
            fitting_images(torch.zeros(shape), cifar10.train, title="f")


def test_values_that_are_not_finite_are_counted_and_refused(each, cifar10):
    for value in each([float("nan"), float("inf"), -float("inf")]):
        images = torch.rand(5, 3, 4, 6)
        images[1, 2, 3, 4] = value
        with pytest.raises(DataError, match="1 of 360 values are NaN or infinite"):
            fitting_images(images, cifar10.train, title="f")


def test_whole_numbers_are_no_pixels(cifar10):
    images = torch.zeros(5, 3, 4, 6, dtype=torch.int64)
    with pytest.raises(DataError, match=r"int64 from 0 to 0.*save them as uint8"):
        fitting_images(images, cifar10.train, title="f")
    with pytest.raises(DataError, match=r"from -7 to -7.*save them as floats"):
        fitting_images(images - 7, cifar10.train, title="f")


def test_classes_may_be_of_any_type_of_number(each, mine):
    for dtype in each([torch.int64, torch.int32, torch.uint8, torch.float32]):
        given = torch.tensor([2, 0, 1, 1], dtype=dtype)
        class_, soft = classes_of(given, mine)
        assert class_.tolist() == [2, 0, 1, 1]
        assert class_.dtype == torch.int64
        assert soft is None
        assert classes_of(given[:, None], mine)[0].tolist() == [2, 0, 1, 1]


def test_labels_that_do_not_fit_are_refused(each, mine):
    for labels, message in each(
        [
            (torch.tensor([0, 1, 3]), r"0 to 3, but mine has 3 classes \(0\.\.2\)"),
            (torch.tensor([-1, 1, 2]), "-1 to 2"),
            (torch.tensor([1, 2, 3]), "the file counts from 1.*subtract 1"),
            (torch.full((3, 3), 0.5), "all entries of the labels are the same"),
            (torch.tensor([0.5, 1, 2]), "no whole class numbers"),
            (torch.tensor([True, False, True]), "no whole class numbers"),
            (torch.zeros(3, 4), "for 4 classes, but mine has 3"),
            (torch.full((3, 3), float("nan")), "NaN"),
            (torch.tensor([[3.0, 1, -2], [0, 1, 0], [2, 0, 0]]), "no probabilities.*softmax"),
            (torch.zeros(3, 3, 1), "one label for every image"),
            (torch.tensor(3), "one label for every image"),
        ]
    ):
        with pytest.raises(DataError, match=message):
            classes_of(labels, mine, images=3)


def test_as_many_labels_as_images_are_needed(mine):
    with pytest.raises(DataError, match="4 images, but labels of shape"):
        classes_of(torch.zeros(3), mine, images=4)


def test_labels_that_say_a_class_and_no_more_are_not_learned(each, mine):
    for scale, shift in each(product([1.0, 7.0], [0.0, 1 / 3])):
        labels = scale * one_hot(torch.tensor([2, 0, 1]), 3) - shift
        class_, soft = classes_of(labels, mine, learned="centred")
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
    class_, soft = classes_of(labels - 1 / 3, mine, learned="centred")
    assert class_.tolist() == [0, 1, 2]
    torch.testing.assert_close(soft, labels)


def test_logits_become_probabilities(mine):
    logits = torch.tensor([[4.0, -1.0, 0.5], [0.0, 3.0, 1.0], [-2.0, 0.0, 7.0]])
    class_, soft = classes_of(logits.double(), mine, learned="logits")
    assert class_.tolist() == [0, 1, 2]
    exponential = logits.exp()
    torch.testing.assert_close(soft, exponential / exponential.sum(dim=1, keepdim=True))


def test_logits_that_are_probabilities_already_are_refused(mine):
    labels = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.0, 0.1, 0.9]])
    with pytest.raises(DataError, match=r"probabilities already.*--format mtt"):
        classes_of(labels, mine, learned="logits")


def test_a_row_of_nan_in_logits_is_refused_with_its_reason(mine):
    labels = torch.tensor([[4.0, -1.0, 0.5], [torch.nan] * 3, [-2.0, 0.0, 7.0]])
    with pytest.raises(DataError, match=r"1 of 3 rows are NaN.*no expert classifies"):
        classes_of(labels, mine, learned="logits")


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
    with pytest.raises(DataError, match=r"class '1' has 2 images\. Give at most --ipc 2"):
        ranked(class_, mine.train, ipc=3, title="f")


@pytest.mark.parametrize("ipc", [None, 1])
def test_classes_without_images_are_named_and_parts_of_a_set_thought_of(mine, ipc):
    with pytest.raises(DataError, match=r"2 of the 3 classes of mine, and none of '1'.*join all"):
        ranked(torch.tensor([0, 2]), mine.train, ipc=ipc, title="f")
    with pytest.raises(DataError, match=r"one part of a set: if it is, put them here\."):
        ranked(torch.tensor([0, 2]), mine.train, ipc=ipc, title="f", parts="put them here")


def learned(highest: list[int], classes: int) -> torch.Tensor:
    """Learned labels with their highest entry where it is said, and all entries different."""
    rows = torch.rand(len(highest), classes, generator=torch.Generator().manual_seed(0))
    rows[torch.arange(len(highest)), highest] = 2.0
    return rows / rows.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("by_class", [True, False])
def test_a_learned_label_that_moved_keeps_its_image_in_its_class(dataset, by_class):
    data = dataset(classes=10)
    place = torch.arange(10).repeat_interleave(2)
    highest = place.clone()
    highest[4] = 7
    soft = learned(highest.tolist(), 10)
    found = read(soft, data, by_class=by_class)
    assert torch.equal(found.class_, place)
    assert torch.equal(found.soft, soft)
    (notice,) = found.notices
    assert "1 of 20 rows" in notice
    assert "row 4: made for class 2, highest in 7" in notice


def test_two_labels_that_changed_places_are_told_though_the_classes_are_balanced(dataset):
    data = dataset(classes=10)
    place = torch.arange(10).repeat_interleave(2)
    highest = place.clone()
    highest[0], highest[19] = 9, 0
    found = read(learned(highest.tolist(), 10), data, by_class=True)
    assert torch.equal(found.class_, place)
    assert "2 of 20 rows" in found.notices[0]


def test_rows_whose_class_is_not_certain_are_refused(each, mine):
    for highest, by_class in each(
        [
            ([0, 1, 2, 0, 1, 1], False),  # rank by rank, one has moved: no place says its class
            (
                [0, 0, 1, 1, 2, 0],
                False,
            ),  # class by class it seems, but six rows may be so by chance
            ([0, 1, 2, 0, 1, 1], True),  # not the order of the code
            ([0, 0, 1, 1, 2], True),  # no equal numbers
        ]
    ):
        with pytest.raises(DataError, match=r"not certain.*order its rows class by class"):
            read(learned(highest, 3), mine, by_class=by_class)


def test_learned_labels_in_no_order_are_of_their_highest_class_if_that_is_balanced(mine):
    found = read(learned([2, 0, 1, 1, 0, 2], 3), mine)
    assert found.class_.tolist() == [2, 0, 1, 1, 0, 2]
    assert found.notices == ()


def test_the_class_that_a_file_says_beside_learned_labels_holds(mine):
    found = read(learned([0, 1, 2], 3), mine, class_=torch.tensor([2, 1, 0]))
    assert found.class_.tolist() == [2, 1, 0]
    assert found.soft is not None


def test_smoothed_labels_of_an_unbalanced_file_are_learned_ones_that_moved(dataset):
    data = dataset(classes=10)
    smooth = one_hot(torch.arange(10).repeat_interleave(2), 10) * 0.4 + 0.06
    smooth[0] = smooth[2]
    found = read(smooth, data, by_class=True)
    assert found.class_.tolist() == torch.arange(10).repeat_interleave(2).tolist()
    assert found.soft is not None
    assert len(found.notices) == 1
