"""Map-style torch data sets of every kind of image, and of none."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from condensery.data import load_data
from condensery.data.skipped import Skipped
from condensery.errors import DataError

IMAGES = np.random.default_rng(5).integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
LABELS = [i % 3 for i in range(12)]


class Listed(Dataset):
    """A list of pairs; exceptions in it are raised when their item is asked for."""

    def __init__(self, pairs: list, classes: list[str] | None = None) -> None:
        self.pairs = pairs
        if classes:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> object:
        if isinstance(self.pairs[index], Exception):
            raise self.pairs[index]
        return self.pairs[index]


def listed(images: list) -> Listed:
    return Listed(list(zip(images, LABELS, strict=True)))


def test_every_kind_of_image_gives_the_same_data(each):
    for convert in each(
        [
            Image.fromarray,
            lambda image: image,
            lambda image: torch.from_numpy(image),
            lambda image: torch.from_numpy(image.transpose(2, 0, 1)).float() / 255,
            lambda image: image / 255,
        ]
    ):
        data = load_data(listed([convert(image) for image in IMAGES]))
        expected = load_data((IMAGES, LABELS))
        assert data.train.fingerprint == expected.train.fingerprint
        assert data.test.fingerprint == expected.test.fingerprint
        assert data.name == "Listed"


def test_labels_can_be_tensors_or_numpy_integers(each):
    for label in each([torch.tensor, np.int64, lambda x: torch.tensor([x])[0]]):
        pairs = [(image, label(c)) for image, c in zip(IMAGES, LABELS, strict=True)]
        assert (
            load_data(Listed(pairs)).train.fingerprint
            == load_data((IMAGES, LABELS)).train.fingerprint
        )


def test_classes_name_the_classes_and_a_second_set_is_the_test_split():
    pairs = list(zip(IMAGES, LABELS, strict=True))
    data = load_data(Listed(pairs, ["a", "b", "c"]), test=Listed(pairs[:6], ["a", "b", "c"]))
    assert data.train.class_names == data.test.class_names == ("a", "b", "c")
    assert (len(data.train), len(data.test)) == (12, 6)


def test_tensor_datasets_and_subsets_are_map_style():
    whole = TensorDataset(torch.from_numpy(IMAGES).permute(0, 3, 1, 2), torch.tensor(LABELS))
    data = load_data(Subset(whole, list(range(6))), test=whole)
    assert (data.train.images.permute(0, 2, 3, 1).numpy() == IMAGES[:6]).all()
    assert len(data.test) == 12


def test_the_type_names_a_known_set():
    class FashionMNIST(Listed):
        pass

    pairs = [(image[:, :, 0], c % 10) for c, image in enumerate([*IMAGES, *IMAGES])]
    data = load_data(FashionMNIST(pairs))
    assert (data.name, data.train.mean) == ("fashion-mnist", (0.2861,))


def test_grey_pictures_become_colour_among_colour():
    pictures = [Image.fromarray(image) for image in IMAGES]
    pictures[1] = pictures[1].convert("L")
    data = load_data(listed(pictures), test=(IMAGES, LABELS))
    assert data.train.images[1].unique(dim=0).shape[0] == 1
    assert (data.train.images[0].permute(1, 2, 0).numpy() == IMAGES[0]).all()
    grey = load_data(listed([picture.convert("L") for picture in pictures]))
    assert grey.train.channels == 1


def test_mixed_sizes_need_a_size():
    pictures = [Image.fromarray(image) for image in IMAGES]
    pictures[3] = pictures[3].resize((9, 7))
    with pytest.raises(DataError, match=r"item 3 is 7 x 9"):
        load_data(listed(pictures))
    data = load_data(listed(pictures), image_size=6)
    assert data.train.side == (6, 6)


def test_a_corrupt_item_is_named_or_skipped():
    pairs: list = list(zip(IMAGES, LABELS, strict=True))
    pairs[5] = OSError("truncated")
    with pytest.raises(DataError, match=r"item 5 cannot be read \(truncated\).*skip_corrupt=True"):
        load_data(Listed(pairs))
    data = load_data(Listed(pairs), skip_corrupt=True)
    kept = [i for i in range(12) if i != 5]
    assert tuple(entry.name for entry in data.skipped) == ("item 5",)
    expected = load_data((IMAGES[kept], [LABELS[i] for i in kept]))
    assert data.train.fingerprint == expected.train.fingerprint


def test_what_is_no_labelled_image_is_refused(each):
    for pairs, message in each(
        [
            ([], "none of its 0 items"),
            ([OSError("gone")] * 3, "item 0 cannot be read"),
            ([{"image": 1}], r"item 0 is a dict with the keys image, and none.*to hold the label"),
            ([{"a": 1, "label": 2}], r"keys a, label, and none.*to hold the image"),
            ([(IMAGES[0], 0, "cat.png")], r"item 0 is a tuple of 3, not a pair"),
            ([7], r"item 0 is a int, not a pair"),
            ([(IMAGES[0], None)], r"item 0 has no label \(None\)"),
            ([(IMAGES[0], {"boxes": []})], r"item 0 has a dict as its label"),
            ([(IMAGES[0], 0), (IMAGES[0], "cat")], r"some labels are names, such as 'cat'"),
            ([(IMAGES[0], -1), (IMAGES[0], 0)], r"1 label\(s\) are negative"),
            ([(IMAGES[0], np.eye(3)[0])] * 4, "argmax"),
            ([(IMAGES[0], 1.0)] * 4, "type float64"),
            ([("cat.png", 0)], "image is a str"),
            (
                [(IMAGES[0].astype(np.float32), 0)],
                r"Listed, item 0: float pixels run.*outside \[0, 1\]",
            ),
            ([(IMAGES[0], "cat")] * 4, "one class"),
            ([(IMAGES[0], 0), (IMAGES[0], 2)], "no train image of class 1"),
            ([(torch.zeros(4, 6, 6, 3), 0)], "5 axes"),
        ]
    ):
        with pytest.raises(DataError, match=message):
            load_data(Listed(pairs))


class Odd(Exception):
    """An error of a library that decodes images."""


def test_an_item_may_raise_anything(each):
    for error, reason in each(
        [
            (RuntimeError("premature\n end"), "premature end"),
            (KeyError("x.jpg"), "KeyError: 'x.jpg'"),
            (ZeroDivisionError(), "ZeroDivisionError"),
            (Odd("bad"), "Odd: bad"),
            (NotImplementedError(), "NotImplementedError"),
        ]
    ):
        pairs: list = list(zip(IMAGES, LABELS, strict=True))
        pairs[5] = error
        with pytest.raises(DataError, match=rf"item 5 cannot be read \({re.escape(reason)}\)"):
            load_data(Listed(pairs))
        assert load_data(Listed(pairs), skip_corrupt=True).skipped == (Skipped("item 5", reason),)
        with pytest.raises(DataError, match=rf"none of its 3.*\(item 0: {re.escape(reason)}\)"):
            load_data(Listed([error] * 3), skip_corrupt=True)


def test_a_stream_without_positions_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([])

    with pytest.raises(DataError, match="Stream: is an IterableDataset, whose items have no pos"):
        load_data(Stream())

    class Counted(Stream):
        def __len__(self) -> int:
            return 3

    with pytest.raises(DataError, match="Counted: is an IterableDataset"):
        load_data(Counted())


def test_a_length_that_cannot_be_had_is_refused():
    class Endless(Listed):
        def __len__(self) -> int:
            raise NotImplementedError("stream")

    with pytest.raises(DataError, match=r"Endless: its length cannot be had \(stream\)"):
        load_data(Endless([]))
    with pytest.raises(DataError, match=r"Listed: its length.*is a class; give an object of it"):
        load_data(Listed)
