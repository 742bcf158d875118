"""Every imported image ends in the class of its own name, or the import is refused.

Each class has a grey level of its own, in the data and in the file, so an image tells its class.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from condensery.cli.main import main
from condensery.condensed.importing import import_set
from condensery.condensed.importing.summary import classes_line
from condensery.data import Data, ImageData, load_data
from condensery.data.known import KNOWN
from condensery.errors import ConfigError, DataError

SIDE = 2
WOOF = KNOWN["imagewoof"].class_names
FASHION = KNOWN["fashion-mnist"].class_names


def level(name: str, names: list[str]) -> int:
    """The grey level of a class, by its place in a list that all sources share."""
    return 10 + names.index(name) * (240 // len(names))


def pictures(order: list[str], names: list[str], *, channels: int, each: int) -> np.ndarray:
    """``each`` images per class, class by class in an order, ``[row, channel, height, width]``."""
    levels = np.array([level(name, names) for name in order], dtype=np.uint8).repeat(each)
    return np.broadcast_to(levels[:, None, None, None], (len(levels), channels, SIDE, SIDE)).copy()


def data_of(
    order: list[str], names: list[str], *, name: str, shown: list[str] | None = None
) -> Data:
    """A data set whose labels count ``order``; ``shown`` is how it spells the names."""
    known = KNOWN.get(name)
    channels = 3 if known is None else known.channels
    images = torch.from_numpy(pictures(order, names, channels=channels, each=2))
    split = ImageData(
        name=name,
        images=images,
        labels=torch.arange(len(order)).repeat_interleave(2),
        class_names=tuple(shown or order),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    return Data(name=name, train=split, test=split)


def write(top: Path, format: str, order: list[str], names: list[str], *, channels: int) -> Path:
    """A file of two images per class whose labels count ``order``; a folder is named by it."""
    images = pictures(order, names, channels=channels, each=2)
    labels = np.arange(len(order)).repeat(2)
    if format == "folder":
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = top / "set" / order[label]
            place.mkdir(parents=True, exist_ok=True)
            picture = image[0] if channels == 1 else image.transpose(1, 2, 0)
            Image.fromarray(picture).save(place / f"{number:03}.png")
        return top / "set"
    if format == "kip":
        np.savez(top / "x_nozca.npz", images=images / 255, labels=labels)
        return top / "x_nozca.npz"
    x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
    if format == "mtt":
        torch.save(x, top / "images_best.pt")
        torch.save(y, top / "labels_best.pt")
        return top / "images_best.pt"
    torch.save({"data": [[x, y]]} if format in ("dc", "dsa", "dm") else [x, y], top / "x.pt")
    return top / "x.pt"


def loaded(data: Data, form: str, top: Path) -> Data:
    """The same data set as it is, or written in one of its forms and read."""
    train = data.train
    named = not all(name.isdigit() for name in train.class_names)
    if form == "npz":
        held = {"class_names": np.array(train.class_names)} if named else {}
        np.savez(top / "data.npz", images=train.images, labels=train.labels, **held)
        return load_data(top / "data.npz", name=data.name)
    if form == "folder":
        for number, (image, label) in enumerate(zip(train.images, train.labels, strict=True)):
            place = top / "data" / train.class_names[int(label)].replace("/", "_")
            place.mkdir(parents=True, exist_ok=True)
            picture = image[0] if train.channels == 1 else image.permute(1, 2, 0)
            Image.fromarray(picture.numpy()).save(place / f"{number:03}.png")
        return load_data(top / "data", name=data.name)
    return data


def read(path: Path, format: str, data: Data, **more):
    space = {} if format == "folder" else {"mean": [0], "std": [1]}
    factor = {"factor": 1} if format in ("idc", "dream", "mdc") else {}
    return import_set(path, format=format, data=data, **space, **factor, **more)


def wrong_in(condensed, data: Data) -> list[tuple[str, float, float]]:
    """Rows whose picture is not that of the class in which they are."""
    of_class = {
        label: float(data.train.images[data.train.of_class(label)[0]].float().mean())
        for label in range(data.train.classes)
    }
    return [
        (condensed.class_names[label], of_class[label], float(image.float().mean()))
        for image, label in zip(condensed.images, condensed.labels.tolist(), strict=True)
        if abs(of_class[label] - float(image.float().mean())) > 0.6
    ]


def test_a_file_of_mtt_numbers_imagewoof_as_the_code_of_mtt_does(tmp_path):
    data = data_of(sorted(WOOF), sorted(WOOF), name="imagewoof")
    path = write(tmp_path, "mtt", list(WOOF), sorted(WOOF), channels=3)
    condensed = read(path, "mtt", data)
    assert condensed.class_names == tuple(sorted(WOOF))
    assert wrong_in(condensed, data) == []
    record = condensed.manifest["recipe"]["imported"]["classes"]
    assert record == {
        "by": "the order in which mtt numbers the classes of imagewoof",
        "labels": [sorted(WOOF).index(name) for name in WOOF],
        "names": list(WOOF),
    }


def test_learned_labels_are_counted_like_the_classes_of_the_data(tmp_path):
    data = data_of(sorted(WOOF), sorted(WOOF), name="imagewoof")
    path = write(tmp_path, "mtt", list(WOOF), sorted(WOOF), channels=3)
    soft = torch.rand(20, 10, generator=torch.Generator().manual_seed(0)) * 0.1
    soft[torch.arange(20), torch.arange(10).repeat_interleave(2)] = 1
    soft /= soft.sum(dim=1, keepdim=True)
    torch.save(soft, path.with_name("labels_best.pt"))
    condensed = read(path, "mtt", data)
    assert wrong_in(condensed, data) == []
    assert torch.equal(condensed.soft_labels.argmax(dim=1), condensed.labels)
    back = [sorted(WOOF).index(name) for name in WOOF]
    assert torch.equal(condensed.soft_labels[int(back[3])][back], soft[6])


def test_a_file_of_a_code_that_never_had_the_data_set_is_refused(each, tmp_path_factory):
    for format in each(["dc", "idc", "kip"]):
        tmp_path = tmp_path_factory.mktemp("case")
        data = data_of(sorted(WOOF), sorted(WOOF), name="imagewoof")
        path = write(tmp_path, format, list(WOOF), sorted(WOOF), channels=3)
        with pytest.raises(DataError, match=r"n02086240.*0, 1, 2.*--classes"):
            read(path, format, data)
        assert wrong_in(read(path, format, data, classes=WOOF), data) == []
        names = ["Australian terrier", "Border terrier", "Samoyed", "beagle", "Shih-Tzu"]
        names += ["English foxhound", "Rhodesian ridgeback", "dingo", "golden retriever"]
        spelled = [*names, "Old English sheepdog"]
        assert wrong_in(read(path, format, data, classes=spelled), data) == []


def test_fashion_mnist_in_folders_takes_a_file_in_the_order_of_its_labels(tmp_path):
    shown = [name.replace("/", "_").replace(" ", "_") for name in FASHION]
    order = sorted(range(10), key=lambda label: shown[label])
    data = data_of(
        [FASHION[label] for label in order],
        list(FASHION),
        name="fashion-mnist",
        shown=[shown[label] for label in order],
    )
    path = write(tmp_path, "dc", list(FASHION), list(FASHION), channels=1)
    assert wrong_in(read(path, "dc", data), data) == []


def test_two_ways_of_counting_a_data_set_are_not_taken_for_one(tmp_path):
    numbers = [str(label) for label in range(10)]
    data = data_of(sorted(WOOF), sorted(WOOF), name="imagewoof", shown=numbers)
    path = write(tmp_path, "mtt", list(WOOF), sorted(WOOF), channels=3)
    with pytest.raises(DataError, match=r"Numbers do not say for certain.*--classes"):
        read(path, "mtt", data)


def test_as_many_names_are_given_as_there_are_classes(each, tmp_path_factory):
    for classes in each([["hen", "crane"], ["hen", "crane", "owl", "tit"], "a,b"]):
        tmp_path = tmp_path_factory.mktemp("case")
        names = ["crane", "hen", "owl"]
        data = data_of(names, names, name="birds")
        path = write(tmp_path, "dc", names, names, channels=3)
        with pytest.raises(ConfigError, match=r"has 3, crane, hen, owl.*--classes|is one text"):
            read(path, "dc", data, classes=classes)


def test_names_that_are_given_replace_those_of_the_folders(tmp_path):
    names = ["crane", "hen", "owl"]
    data = data_of(["owl", "crane", "hen"], names, name="birds")
    path = write(tmp_path, "folder", names, names, channels=3)
    for old, new in (("crane", "a"), ("hen", "b"), ("owl", "c")):
        (path / old).rename(path / new)
    with pytest.raises(DataError, match=r"owl, crane, hen.*a, b, c.*--classes"):
        read(path, "folder", data)
    assert wrong_in(read(path, "folder", data, classes=names), data) == []


def test_the_command_takes_names_and_prints_only_what_moved(tmp_path, capsys):
    names = ["crane", "hen", "owl"]
    images = pictures(names, names, channels=3, each=3)
    labels = np.arange(3).repeat(3)
    held = {"images": images, "labels": labels, "class_names": np.array(names)}
    np.savez(tmp_path / "birds.npz", **held)
    path = write(tmp_path, "dc", ["crane", "owl", "hen"], names, channels=3)
    out = tmp_path / "set.safetensors"
    words = ["--format", "dc", "--data", str(tmp_path / "birds.npz"), "--out", str(out)]
    words += ["--mean", "0", "--std", "1", "--image-size", "2"]
    assert main(["import", str(path), *words]) == 2
    assert "--classes" in capsys.readouterr().err
    assert not out.exists()
    assert main(["import", str(path), *words, "--classes", "crane,owl,hen"]) == 0
    assert "classes, matched by the names given: each of the 3 labels" in capsys.readouterr().out
    assert main(["inspect", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["recipe"]["imported"]["classes"]["names"] == ["crane", "owl", "hen"]


def test_the_line_about_classes_shows_ten_that_moved_and_counts_the_others():
    still = {"by": "number", "labels": [0, 1, 2]}
    assert classes_line(still, "abc") == (
        "classes, matched by number: each of the 3 labels of the file is the same label of the data"
    )
    few = {"by": "the names of the file", "labels": [1, 0, 2]}
    assert classes_line(few, "abc").endswith(
        "2 of the 3 labels of the file are other labels of the data: 0 -> 1 (b), 1 -> 0 (a)"
    )
    many = {"by": "the names given", "labels": [*range(1, 26), 0]}
    line = classes_line(many, "abcdefghijklmnopqrstuvwxyz")
    assert "26 of the 26 labels" in line
    assert line.endswith("9 -> 10 (k), and 16 more")


# --- the rule: no image ends in the class of another name without a word -------------------------

BIRDS = ["crane", "hen", "barn owl", "great-tit", "Wood Duck", "emu 2", "10", "9"]


@dataclass(frozen=True)
class Situation:
    """A data set and a file, both of the same classes.

    Attributes:
        name: Of the data set; perhaps a known one.
        names: Of the classes, true ones.
        data: Names in the order of the labels of the data.
        file: Names in the order of the labels of the file.
        numbered: Whether the data shows only numbers.
        form: Of the data.
        format: Of the file.
        given: The names that the user gives, or None.
        spelling: How the user and the folders spell names.
    """

    name: str
    names: tuple[str, ...]
    data: tuple[str, ...]
    file: tuple[str, ...]
    numbered: bool
    form: str
    format: str
    given: bool
    spelling: int


def spelled(name: str, spelling: int) -> str:
    """One of several spellings of a name that mean the same."""
    if name in ("10", "9"):
        return name
    return [name, name.upper(), name.replace(" ", "_"), name.replace("-", " "), f"{name} "][
        spelling
    ].strip()


@st.composite
def situations(draw) -> Situation:
    name = draw(st.sampled_from(["birds", "fashion-mnist", "imagewoof"]))
    if name == "birds":
        count = draw(st.integers(2, 5))
        names = draw(st.permutations(BIRDS))[:count]
    else:
        names = list(KNOWN[name].class_names)
    format = draw(st.sampled_from(["dc", "dm", "mtt", "idc", "kip", "folder"]))
    published = draw(st.booleans())
    return Situation(
        name=name,
        names=tuple(names),
        data=tuple(draw(st.permutations(names))),
        file=tuple(names if published else draw(st.permutations(names))),
        numbered=name == "birds" and draw(st.booleans()),
        form=draw(st.sampled_from(["made", "npz", "folder"])),
        format=format,
        given=draw(st.booleans()),
        spelling=draw(st.integers(0, 4)),
    )


def is_certain(it: Situation) -> bool:
    """Whether the file can be matched with the data by what both say."""
    if it.numbered:  # numbers mean numbers, names mean nothing for them
        return False
    if it.given or it.format == "folder":
        return True
    known = KNOWN.get(it.name)
    return known is not None and known.numbering(it.format) is not None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(situations())
def test_every_image_ends_under_its_own_name_or_the_call_is_refused(it: Situation):
    names = list(it.names)
    shown = [str(label) for label in range(len(names))] if it.numbered else None
    data = data_of(list(it.data), names, name=it.name, shown=shown)
    numbers_of_the_data = it.numbered and not it.given and it.format != "folder"
    order = list(it.data if numbers_of_the_data else it.file)
    file_is_known = (
        it.name != "birds" and not it.given and KNOWN[it.name].numbering(it.format) is not None
    )
    if file_is_known and it.format != "folder":
        order = list(KNOWN[it.name].class_names)  # what the code of the format writes
    with tempfile.TemporaryDirectory() as top:
        data = loaded(data, it.form, Path(top))
        folders = [name.replace("/", "_") for name in order]
        if it.format == "folder":
            path = write(Path(top), "folder", folders, folders, channels=data.train.channels)
            for folder, name in zip(folders, order, strict=True):
                picture = np.full((SIDE, SIDE), level(name, names), np.uint8)
                if data.train.channels == 3:
                    picture = np.stack([picture] * 3, axis=2)
                for file in (path / folder).iterdir():
                    Image.fromarray(picture).save(file)
                (path / folder).rename(path / spelled(folder, it.spelling))
            given = None
        else:
            path = write(Path(top), it.format, order, names, channels=data.train.channels)
            given = [spelled(name, it.spelling) for name in order] if it.given else None
        if not (is_certain(it) or numbers_of_the_data):
            with pytest.raises(DataError, match="--classes"):
                read(path, it.format, data, classes=given)
            return
        assert wrong_in(read(path, it.format, data, classes=given), data) == []
