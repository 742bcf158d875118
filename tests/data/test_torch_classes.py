"""Whatever way a torch data set names its classes, every image keeps its class; doubt is said."""

from __future__ import annotations

from enum import Enum, IntEnum

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset, random_split

from condensery.data import Data, load_data
from condensery.errors import DataError, DataWarning

IMAGES = np.random.default_rng(5).integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
NAMES = ("cat", "dog", "ant")


class Animals(Dataset):
    """Twelve images of three classes."""

    def __init__(self, labels: object = None, **attributes: object) -> None:
        self.labels = [i % 3 for i in range(12)] if labels is None else labels
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> object:
        return IMAGES[index], self.labels[index]  # type: ignore[index]


def names_of_images(data: Data) -> dict[bytes, str]:
    """The class name of every image of both splits."""
    return {
        image.numpy().tobytes(): split.class_names[label]
        for split in (data.train, data.test)
        for image, label in zip(split.images, split.labels.tolist(), strict=True)
    }


def expected(names: tuple[str, ...] = NAMES) -> dict[bytes, str]:
    return {
        image.transpose(2, 0, 1).tobytes(): names[i % len(names)] for i, image in enumerate(IMAGES)
    }


class Kinds(Enum):
    cat = 0
    dog = 1
    ant = 2


def test_names_are_taken_from_every_form(each):
    for attributes in each(
        [
            {"classes": list(NAMES)},
            {"classes": np.array(NAMES)},
            {"classes": [name.encode() for name in NAMES]},
            {"classes": [("cat", "Felis catus"), ("dog",), ["ant", "Formicidae"]]},
            {"classes": lambda: list(NAMES)},
            {"classes": {0: "cat", 1: "dog", 2: "ant"}},
            {"classes": {2: "ant", 0: "cat", 1: "dog"}},
            {"classes": {"2": "ant", "0": "cat", "1": ["dog", "hound"]}},
            {"classes": {np.int64(1): "dog", np.int64(0): "cat", np.int64(2): "ant"}},
            {"classes": {"ant": 2, "dog": 1, "cat": 0}},
            {"classes": dict.fromkeys(NAMES).keys()},
            {"classes": Kinds},
            {"class_to_idx": {"ant": 2, "cat": 0, "dog": 1}},
            {"class_to_idx": {"cat": 0, "house cat": 0, "dog": 1, "ant": torch.tensor(2)}},
            {"classes": list(NAMES), "class_to_idx": {"ant": 2, "cat": 0, "dog": 1}},
            {"classes": 3, "class_to_idx": {"ant": 2, "cat": 0, "dog": 1}},
        ]
    ):
        data = load_data(Animals(**attributes))
        assert data.train.class_names == NAMES
        assert names_of_images(data) == expected()


def test_labels_that_are_names_are_counted_by_the_classes_or_in_their_order(each):
    for labels in each(
        [
            [NAMES[i % 3] for i in range(12)],
            np.array([NAMES[i % 3] for i in range(12)]),
            [NAMES[i % 3].encode() for i in range(12)],
        ]
    ):
        data = load_data(Animals(labels, classes=NAMES))
        assert data.train.class_names == NAMES
        assert names_of_images(data) == expected()
        alone = load_data(Animals(labels))
        assert alone.train.class_names == ("ant", "cat", "dog")
        assert names_of_images(alone) == expected()


def test_names_that_are_numbers_are_in_the_order_of_the_numbers():
    data = load_data(Animals([("10", "9", "2")[i % 3] for i in range(12)]))
    assert data.train.class_names == ("2", "9", "10")
    assert names_of_images(data) == expected(("10", "9", "2"))


def test_labels_may_be_any_single_integer(each):
    for convert in each(
        [
            torch.tensor,
            np.array,
            np.int64,
            np.uint8,
            lambda label: torch.tensor([label]),
            lambda label: np.array([[label]]),
            lambda label: IntEnum("Kind", [("a", 0), ("b", 1), ("c", 2)])(label),
            Kinds,
        ]
    ):
        data = load_data(Animals([convert(i % 3) for i in range(12)], classes=NAMES))
        assert names_of_images(data) == expected()


def test_truth_values_are_two_classes(each):
    for convert in each([bool, np.bool_, torch.tensor]):
        data = load_data(Animals([convert(bool(i % 2)) for i in range(12)], classes=["no", "yes"]))
        assert names_of_images(data) == expected(("no", "yes"))


def test_a_dict_may_number_the_classes_otherwise():
    labels = [(7, 3, 11)[i % 3] for i in range(12)]
    data = load_data(Animals(labels, classes={7: "cat", 3: "dog", 11: "ant"}))
    assert data.train.class_names == ("dog", "cat", "ant")
    assert names_of_images(data) == expected()
    with pytest.raises(DataError, match=r"a label 0, but its classes are numbered 3, 7, 11"):
        load_data(Animals(classes={7: "cat", 3: "dog", 11: "ant"}))


class Raising(Animals):
    @property
    def classes(self) -> list[str]:
        raise RuntimeError("read labels first")


def test_what_names_no_class_for_certain_is_said(each):
    for dataset, reason in each(
        [
            (Raising(), "'classes' raises RuntimeError: read labels first"),
            (Animals(classes=lambda split: split), "'classes' raises TypeError"),
            (Animals(classes={"n01": "cat", "n02": "dog", "n03": "ant"}), "'classes' is a dict"),
            (Animals(classes={7: 0, 3: 1, 11: 2}), "'classes' is a dict"),
            (Animals(classes="cat dog ant"), "'classes' is a str"),
            (Animals(classes=set(NAMES)), "'classes' is a set"),
            (Animals(classes=[i % 3 for i in range(12)]), "'classes' is a list"),
            (Animals(classes=[object()] * 3), "'classes' is a list"),
        ]
    ):
        with pytest.warns(DataWarning, match=reason):
            data = load_data(dataset)
        assert "classes=[...]" in data.notices[0]
        assert names_of_images(data) == expected(("0", "1", "2"))


def test_a_set_without_names_has_numbers(each):
    for attributes in each([{}, {"classes": 3}, {"classes": None}, {"classes": []}]):
        ignored = attributes.get("classes") == []
        if ignored:
            with pytest.warns(DataWarning, match="'classes' is a list"):
                data = load_data(Animals(**attributes))
        else:
            data = load_data(Animals(**attributes))
        assert data.train.class_names == ("0", "1", "2")


def test_contradictions_are_refused(each):
    for dataset, message in each(
        [
            (
                Animals(classes=NAMES, class_to_idx={"ant": 0, "cat": 1, "dog": 2}),
                r"'ant' is class 2 by its 'classes' and class 0",
            ),
            (Animals(["cow"] * 12, classes=NAMES), r"label is 'cow'.*none of them"),
            (Animals(["cat"] * 12, classes=["cat", "cat", "dog"]), "stands for several of them"),
            (
                ConcatDataset([Animals(classes=NAMES), Animals(classes=NAMES[::-1])]),
                "parts name the classes differently: part 0 has cat, dog, ant, part 1 has ant",
            ),
        ]
    ):
        with pytest.raises(DataError, match=message):
            load_data(dataset)


def test_wrappers_of_torch_pass_names_on():
    whole = Animals(classes=NAMES)
    parts = random_split(whole, [6, 6], generator=torch.Generator().manual_seed(0))
    data = load_data(ConcatDataset([Subset(parts[0], range(6)), parts[1]]))
    assert data.train.class_names == NAMES
    assert names_of_images(data) == expected()


def test_a_subset_may_lack_the_last_classes():
    data = load_data(Subset(Animals(classes=NAMES), [i for i in range(12) if i % 3 < 2]))
    assert data.train.class_names == ("cat", "dog")


def test_a_part_without_names_takes_the_names_of_all():
    data = load_data(ConcatDataset([Animals(classes=NAMES), Animals()]))
    assert data.train.class_names == ("0", "1", "2")


def test_a_wrapper_that_changes_items_passes_no_names_on():
    class Relabelled(Subset):
        def __getitem__(self, index: int) -> object:
            image, label = super().__getitem__(index)
            return image, 2 - label

        def __getitems__(self, indices: list[int]) -> list:
            return [self[index] for index in indices]

    data = load_data(Relabelled(Animals(classes=NAMES), list(range(12))))
    assert data.train.class_names == ("0", "1", "2")


class ClassLabel:
    """As in Hugging Face datasets."""

    def __init__(self, names: list[str]) -> None:
        self.names = names


class Image:
    """As in Hugging Face datasets."""


class Rows(Animals):
    """Items are dicts."""

    def __init__(self, image: str, label: str, **attributes: object) -> None:
        super().__init__(**attributes)
        self.keys = image, label

    def __getitem__(self, index: int) -> object:
        image, label = super().__getitem__(index)  # type: ignore[misc]
        return {"id": index, self.keys[0]: image, self.keys[1]: label}


def test_items_may_be_dicts(each):
    for dataset in each(
        [
            Rows("image", "label", classes=NAMES),
            Rows("img", "fine_label", classes=NAMES),
            Rows("pixel_values", "labels", classes=NAMES),
            Rows("image", "label", features={"image": Image(), "label": ClassLabel([*NAMES])}),
            Rows("photo", "animal", features={"photo": Image(), "animal": ClassLabel([*NAMES])}),
            Subset(Rows("image", "label", features={"label": ClassLabel([*NAMES])}), range(12)),
        ]
    ):
        data = load_data(dataset)
        assert data.train.class_names == NAMES
        assert names_of_images(data) == expected()
