"""Choosing real images at the command line, and testing them as baselines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data
from condensery.selection import select

FAST = ("--network", "convnet2-w4", "--train-steps", 2)
SHORT = ("--networks", "convnet2-w4", "--seeds", 1, "--steps", 2, "--sizes", "1,2")


@pytest.fixture
def chosen(condensery, tmp_path: Path) -> Path:
    """Two real images per class of the digits, chosen by k-center."""
    path = tmp_path / "chosen.safetensors"
    said = condensery("select", "digits", "--by", "k-center", "--ipc", 2, "--out", path, *FAST)
    assert said.code == 0
    return path


def test_a_selection_is_what_the_library_selects(chosen: Path, condensery):
    found = CondensedSet.load(chosen)

    expected = select(
        load_data("digits"), by="k-center", ipc=2, network="convnet2-w4", train_steps=2
    )
    assert found.images.equal(expected.images)
    assert found.manifest["recipe"] == {
        "method": "k-center",
        "ipc": 2,
        "network": "convnet2-w4",
        "train_steps": 2,
    }
    assert found.manifest["created"]
    said = condensery("inspect", chosen)
    assert "by k-center, seed 0" in said.out


def test_an_existing_file_is_replaced_only_on_request(chosen: Path, condensery):
    before = chosen.read_bytes()
    words = ("select", "digits", "--by", "first", "--ipc", 3, "--out", chosen)

    said = condensery(*words)
    assert said.code == 2
    assert "--overwrite" in said.err
    assert chosen.read_bytes() == before
    said = condensery(*words, "--overwrite")
    assert said.code == 0
    assert "3 images per class, 30 rows" in said.out
    assert CondensedSet.load(chosen).method == "first"


def test_what_cannot_be_selected_is_refused_and_nothing_is_written(
    each, condensery, tmp_path_factory
):
    for words, expected in each(
        [
            (("--by", "k-meens"), "Did you mean 'k-means'"),
            ((), "--by"),
            (("--by", "random", "--ipc", "9999"), "Ask for 1.."),
            (("--by", "herding", "--network", "vgg11"), "at least 28x28 pixels, got 8x8"),
            (("--by", "forgetting", "--train-steps", "3"), "seen at least twice"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        said = condensery("select", "digits", "--ipc", 2, "--out", tmp_path / "set.st", *words)

        assert said.code == 2
        assert expected in said.err
        assert list(tmp_path.iterdir()) == []


def test_selections_and_files_are_baselines_of_a_set(chosen: Path, condensery, tmp_path: Path):
    noted = tmp_path / "noted.jsonl"
    other = tmp_path / "other.safetensors"
    assert condensery("select", "digits", "--by", "random", "--ipc", 2, "--out", other).code == 0

    baselines = ("--baselines", f"random,first,{chosen}")
    words = ("evaluate", other, "--data", "digits", *SHORT, "--out", noted)
    said = condensery(*words, *baselines)

    assert said.code == 0, said.err
    assert "protocol: idc (that of the set's method, random)" in said.err
    head = next(line for line in said.out.splitlines() if "images per class" in line)
    assert [word.strip() for word in head.split("|")[1:-1]] == [
        "images per class",
        "condensed",
        "random",
        "gain",
        "first",
        "k-center",
    ]
    seen = [json.loads(line) for line in noted.read_text().splitlines()]
    assert [o["set"] for o in seen] == ["condensed", "random", "first", "k-center"] * 2
    record = CondensedSet.load(other).observations[0]
    assert record["baselines"].keys() == {"first", "k-center"}
    assert "k-center" in condensery("inspect", other).out
    again = condensery(*words, *baselines)
    assert "evaluate:" not in again.err  # all were known


def test_a_protocol_and_robust_scores_are_had_for_the_asking(chosen: Path, condensery):
    words = ("evaluate", chosen, "--data", "digits", *SHORT, "--protocol")

    assert condensery(*words, "dc").code == 0
    said = condensery(*words, "dsa", "--full-accuracy", "0.9")

    assert said.code == 0, said.err
    assert "protocol: dsa (given)" in said.err
    assert "protocol dsa, 2 steps" in said.out
    scores = [line for line in said.out.splitlines() if line.startswith("|")][-4:]
    assert [line.split("|")[1].strip() for line in scores] == ["dc", "dc", "dsa", "dsa"]
    assert [line.split("|")[6].strip() == "–" for line in scores] == [True, True, False, False]
    assert {x["protocol"] for x in CondensedSet.load(chosen).observations} == {"dc", "dsa"}


def test_evaluations_that_cannot_work_change_nothing(each, chosen: Path, condensery):
    for words, expected in each(
        [
            (("--protocol", "mtt"), "Use protocol dsa"),
            (("--protocol", "dms"), "Did you mean 'dsa'"),
            (("--labels", "soft"), "has learned no labels"),
            (("--baselines", "k-meens"), "Did you mean 'k-means'"),
            (("--baselines", "random,random.safetensors"), "is no file and no rule"),
            (("--full-accuracy", "90"), "write 0.85 for 85 %"),
            (("--networks", "convnet3,vgg11"), "at least 28x28"),
        ]
    ):
        before = chosen.read_bytes()

        said = condensery("evaluate", chosen, "--data", "digits", "--steps", 2, *words)

        assert said.code == 2
        assert expected in said.err
        assert chosen.read_bytes() == before
