"""Law: every image ends under its own name, or the call is refused.

Each picture shows its true class by its grey level. Train images, test images and the data of an
evaluation come in random forms, orders and spellings; the test looks which name the label gives.
(``tests/condensed/importing/test_classes.py`` holds imports to the same law.)
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import Dataset

import condensery
from condensery.data.known import KNOWN
from condensery.errors import DataError, DataWarning

SIDE, EACH = 8, 3
FASHION = KNOWN["fashion-mnist"].class_names
POOL = ("cat", "Cat", "ca-t", "ca t", "dog", "dog house", "0", "1", "2", "3", "10", "01", "Café")
NAMED = ("folder", "npz", "torch", "split-folder", "hub", "text-parquet")
NUMBERED = ("idx", "arrays", "plain-npz")


@dataclass(frozen=True)
class Given:
    """One source: its form, its classes in the order of its labels, and how names are spelled."""

    form: str
    order: tuple[str, ...]
    spelling: str = "plain"


def spelled(name: str, spelling: str) -> str:
    changes = {
        "plain": lambda text: text,
        "upper": str.upper,
        "underscores": lambda text: text.replace(" ", "_").replace("-", "_"),
        "decomposed": lambda text: unicodedata.normalize("NFD", text),
    }
    return changes[spelling](name)


class Pairs(Dataset):
    def __init__(self, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
        self.pairs, self.classes = list(zip(images, labels.tolist(), strict=True)), list(classes)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int):
        return self.pairs[index]


def parquet(
    folder: Path, images: np.ndarray, labels: np.ndarray, names: list[str], *, text: bool
) -> Path:
    """A file as the hub writes it, or with the names in the rows."""
    rows = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        rows.append({"bytes": file.getvalue(), "path": None})
    column = [names[label] for label in labels] if text else labels.tolist()
    table = pa.table({"image": rows, "label": column})
    if not text:
        features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
        metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, folder / "d.parquet")
    return folder / "d.parquet"


def write(given: Given, true: Sequence[str], folder: Path) -> object:
    """The source as ``load_data`` takes it; class ``c`` of ``true`` is drawn in grey 20 c + 5."""
    levels = [20 * true.index(name) + 5 for name in given.order]
    labels = np.repeat(np.arange(len(levels), dtype=np.uint8), EACH)
    images = np.repeat(np.array(levels, np.uint8), EACH)[:, None, None] * np.ones(
        (1, SIDE, SIDE), np.uint8
    )
    names = [spelled(name, given.spelling) for name in given.order]
    folder.mkdir(parents=True)
    if given.form in ("folder", "split-folder"):
        parts = ("",) if given.form == "folder" else ("train", "test")
        for part in parts:
            for image, label in zip(images, labels, strict=True):
                home = folder / part / names[label].replace("/", "_")
                home.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(home / f"{len(list(home.iterdir()))}.png")
        return folder
    if given.form == "npz":
        np.savez(folder / "d.npz", images=images, labels=labels, class_names=np.array(names))
        return folder / "d.npz"
    if given.form == "plain-npz":
        np.savez(folder / "d.npz", images=images, labels=labels)
        return folder / "d.npz"
    if given.form in ("hub", "text-parquet"):
        return parquet(folder, images, labels, names, text=given.form != "hub")
    if given.form == "torch":
        return Pairs(images, labels, names)
    if given.form == "arrays":
        return images, labels
    for part in ("train", "t10k"):
        head = struct.pack(">4B3I", 0, 0, 8, 3, *images.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">4BI", 0, 0, 8, 1, len(labels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return folder


@st.composite
def situations(draw: st.DrawFn) -> tuple[tuple[str, ...], str, Given, Given, str | None]:
    """True names, the folder that holds all, two sources, and the option that names numbers."""
    known = draw(st.booleans())
    if known:
        true, home = FASHION, draw(st.sampled_from(["fashion-mnist", "stuff"]))
    else:
        count = draw(st.integers(2, 4))
        true = tuple(
            draw(st.lists(st.sampled_from(POOL), min_size=count, max_size=count, unique=True))
        )
        home = "stuff"

    def source() -> Given:
        form = draw(st.sampled_from(NAMED + NUMBERED))
        # numbers of a known set are published; others are the order in which somebody counted
        order = true if known and form in NUMBERED else tuple(draw(st.permutations(true)))
        return Given(
            form, order, draw(st.sampled_from(["plain", "upper", "underscores", "decomposed"]))
        )

    return true, home, source(), source(), draw(st.sampled_from([None, "classes"]))


def names_shown(split: condensery.ImageData, true: Sequence[str]) -> set[tuple[str, str]]:
    """Every (name that the label gives, name that the picture shows)."""
    levels = split.images[:, 0, 0, 0].tolist()
    return {
        (split.class_names[label], true[(level - 5) // 20])
        for label, level in zip(split.labels.tolist(), levels, strict=True)
    }


def is_right(shown: set[tuple[str, str]], train: Given, test: Given) -> bool:
    """Whether each name that a label gives is a spelling of what its picture shows."""
    both_numbered = train.form in NUMBERED and test.form in NUMBERED
    for label_name, true_name in shown:
        spellings = {
            spelled(true_name, each) for each in ("plain", "upper", "underscores", "decomposed")
        }
        spellings |= {text.replace("/", "_") for text in spellings}
        if both_numbered and label_name.isdigit():
            continue  # numbers are all that either source knows
        if label_name not in spellings:
            return False
    return True


@pytest.mark.filterwarnings("ignore::condensery.errors.DataWarning")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(situations())
def test_test_images_end_under_their_own_name_or_the_call_is_refused(situation):
    true, home, train, test, option = situation
    with tempfile.TemporaryDirectory() as top:
        place = Path(top) / home
        first, second = write(train, true, place / "one"), write(test, true, place / "two")
        classes = list(true) if option == "classes" else None
        if classes and any(
            given.form in NUMBERED and given.order != true for given in (train, test)
        ):
            classes = None  # the option would say what is not so
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            try:
                data = condensery.load_data(first, test=second, classes=classes)
            except DataError:
                event("refused")
                return
        event("read")
        if train.form not in NUMBERED:
            assert is_right(names_shown(data.train, true), train, test)
        if train.form not in NUMBERED or test.form not in NUMBERED:
            assert is_right(names_shown(data.test, true), train, test)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(situations())
def test_an_evaluation_counts_test_images_as_the_set_does_or_is_refused(situation):
    true, home, train, test, _ = situation
    with tempfile.TemporaryDirectory() as top, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        place = Path(top) / home
        try:
            mine = condensery.load_data(write(train, true, place / "one"))
            other = condensery.load_data(write(test, true, place / "two"))
            condensed = condensery.select(mine, by="random", ipc=1)
            evaluation = condensery.evaluate(
                condensed, other, networks=["mlp"], sizes=[1], seeds=1, baselines=()
            )
        except DataError:
            event("refused")
            return
        event("planned")
        seen = evaluation.planned[0].test
        if train.form not in NUMBERED or test.form not in NUMBERED:
            as_the_set = replace(seen, class_names=condensed.class_names)
            assert is_right(names_shown(as_the_set, true), train, test)
