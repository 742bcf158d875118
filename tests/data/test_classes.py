"""Classes of two sources are matched by name for certain, or refused."""

from __future__ import annotations

import unicodedata

import pytest
import torch

import condensery
from condensery.data.classes import ClassList, choose, match, natural_order, spelling
from condensery.data.known import CLASS_TABLES, KNOWN
from condensery.errors import DataError

FASHION = KNOWN["fashion-mnist"].class_names
WOOF = KNOWN["imagewoof"]


def listed(*names: str, title: str = "here", **more) -> ClassList:
    return ClassList(title=title, names=names, **more)


def numbers(count: int, title: str = "there", **more) -> ClassList:
    return listed(*map(str, range(count)), title=title, **more)


def test_names_find_their_class_whatever_the_order_and_the_spelling(each):
    for ours, theirs, found in each(
        [
            (["a", "b"], ["a", "b"], (0, 1)),
            (["a", "b"], ["b", "a"], (1, 0)),
            (["T-shirt/top", "Coat"], ["coat", "t_shirt top"], (1, 0)),
            (["Café", "b"], ["B", unicodedata.normalize("NFD", "café")], (1, 0)),
            (["crane", "Crane", "hen"], ["Crane", "hen", "crane"], (1, 2, 0)),
            (["007", "8", "10"], ["10", "7", "08"], (2, 0, 1)),
            (["airplane", "automobile"], ["car", "plane"], (1, 0)),
            (["n02086240", "n02088364"], ["beagle", "Shih-Tzu"], (1, 0)),
            (["tench", "chain saw"], ["chain saw, chainsaw", "tench, Tinca tinca"], (1, 0)),
            (["crane", "crane"], ["crane", "crane"], (0, 1)),
            (["0", "1", "2"], ["00", "01", "02"], (0, 1, 2)),
        ]
    ):
        assert match(listed(*ours), listed(*theirs)) == found


def test_what_is_not_certain_is_refused_with_both_lists_and_the_option(each):
    for ours, theirs, why in each(
        [
            (["a", "b"], ["a", "c"], "'b' is in one of them only"),
            (["a", "b", "c"], ["a", "b"], "'c' is in one of them only"),
            (["crane", "crane", "hen"], ["hen", "crane", "crane"], "alike"),
            (["a b", "a-b", "c"], ["A_B", "c", "a/b"], "alike"),
            (["1", "2"], ["0", "1"], "Numbers do not say for certain"),
            (["a", "b"], ["0", "1"], "Numbers do not say for certain"),
            (["1", "0"], ["0", "1"], "Numbers do not say for certain"),
            (["0", "1"], ["0", "1", "2"], "'2' is in one of them only"),
        ]
    ):
        with pytest.raises(DataError) as refused:
            match(listed(*ours, title="one"), listed(*theirs, title="two"))
        text = str(refused.value)
        assert why in text
        assert "--classes" in text
        assert "one has" in text
        assert "two has" in text
        assert all(name in text for name in (*ours, *theirs))


def test_numbers_stand_for_the_published_classes_of_a_known_set():
    folders = tuple(sorted(name.replace("/", "_") for name in FASHION))
    found = match(listed(*folders), numbers(10, numbering=FASHION))
    assert [spelling(folders[i]) for i in found] == [spelling(name) for name in FASHION]
    back = match(numbers(10, numbering=FASHION), listed(*folders))
    assert [found[i] for i in back] == list(range(10))


def test_numbers_match_numbers_unless_one_of_them_counts_in_an_order_of_its_own():
    mtt = numbers(10, numbering=WOOF.numbering("mtt"), own_order=True)
    assert match(numbers(3), numbers(3)) == (0, 1, 2)
    assert match(numbers(10), numbers(10, numbering=FASHION)) == tuple(range(10))
    assert match(mtt, mtt) == tuple(range(10))
    with pytest.raises(DataError, match="for certain"):
        match(numbers(10), mtt)


def test_classes_are_chosen_by_any_of_their_names():
    source = listed("n02086240", "beagle", "tench", "Tench")
    assert choose(source, ["Shih-Tzu", "tench"]) == (0, 2)
    with pytest.raises(DataError, match="could be any of 2"):
        choose(source, ["TENCH"])
    with pytest.raises(DataError, match="the same class"):
        choose(source, ["beagle", "n02088364"])


def test_names_that_are_numbers_are_sorted_by_number():
    assert natural_order([str(i) for i in (10, 2, 0, 11, 1)]) == ["0", "1", "2", "10", "11"]
    assert natural_order(["b10", "b2", "a"]) == ["a", "b10", "b2"]


def test_every_known_set_has_one_class_for_every_name():
    for known in KNOWN.values():
        for label, name in enumerate(known.class_names):
            assert known.table.find(name) == label
    imagenet = CLASS_TABLES[-1]
    assert len(imagenet.names) == 1000
    assert imagenet.find("crane") is None  # a bird and a machine
    assert imagenet.find("Shih-Tzu") == imagenet.find("n02086240") == 155


def test_the_orders_of_mtt_are_its_own():
    assert WOOF.class_names[:3] == ("n02096294", "n02093754", "n02111889")
    assert WOOF.numbering() is None
    assert WOOF.numbering("mtt") == WOOF.class_names
    assert KNOWN["food101"].numbering() is None  # two orders of classes are in use
    assert KNOWN["imagenette"].numbering() == tuple(sorted(KNOWN["imagenette"].class_names))


def test_classes_are_chosen_by_their_numbers_or_by_the_names_of_a_known_data_set():
    digits = condensery.load_data("digits", classes=["7", "2"])
    assert digits.train.class_names == ("7", "2")
    sums = [
        sum(int(part.images[part.labels == label].sum()) for part in (data.train, data.test))
        for data, label in ((digits, 0), (condensery.load_data("digits"), 7))
    ]
    assert sums[0] == sums[1]  # what is held out for testing depends on the classes
    fashion = condensery.load_data("fashion-mini", classes=["Bag", "Dress"]).train
    whole = condensery.load_data("fashion-mini").train
    bags = whole.labels == whole.class_names.index("Bag")
    assert torch.equal(fashion.images[fashion.labels == 0], whole.images[bags])
