"""The report command as a stranger uses it: one run, several, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from condensery.cli.main import main

TINY = ("--preset", "smoke", "--network", "convnet2-w4", "--set", "schedule.steps=1")
TESTED = ("--evaluate-networks", "convnet2-w4", "--evaluate-steps", "2")


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the finished run, with words of its files replaced."""

    def make(name: str, **replaced: tuple[str, str]) -> Path:
        folder = tmp_path / name
        shutil.copytree(finished, folder)
        for file, (old, new) in replaced.items():
            path = next(folder.glob(f"{file}.json*"))
            text = path.read_text(encoding="utf-8")
            assert old in text
            path.write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("comparison") / "table"
    words = ("compare", "digits", "--methods", "c,first", "--ipc", "2", *TINY, *TESTED)
    assert main([*words, "--set", "schedule.inner=1", "--out", str(out)]) == 0
    return out


def test_a_page_shows_as_many_classes_as_are_asked_for(run, comparison, tmp_path, condensery):
    folder, few = run("run"), tmp_path / "few.html"
    said = condensery("report", folder, "--classes-shown", "3", "--out", few)
    assert said.code == 0, said.err
    page, whole = (path.read_text(encoding="utf-8") for path in (few, folder / "report.html"))
    assert "3 of the 10 classes are shown, evenly spaced" in page
    assert "classes are shown, evenly spaced" not in whole
    assert len(page) < len(whole)
    refused = condensery("report", comparison, "--classes-shown", "3", "--out", few, "--overwrite")
    assert refused.code == 2
    assert "--classes-shown 3: a page of several runs shows no images" in refused.err


def test_the_page_of_a_run_is_drawn_from_its_files_alone(run, condensery):
    folder = run("run")
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    assert condensery("report", folder).code == 0
    assert (folder / "report.html").read_bytes() == before
    shutil.rmtree(folder / "checkpoints")
    said = condensery("report", folder / "condensed.safetensors")
    assert f"Report: {folder / 'report.html'}" in said.out
    assert (folder / "report.html").read_bytes() == before


def test_the_page_of_a_run_says_all_that_the_run_noted(finished: Path):
    page = (finished / "report.html").read_text(encoding="utf-8")
    facts = json.loads((finished / "recipe.json").read_text(encoding="utf-8"))
    assert facts["data"]["fingerprint"] in page
    assert facts["versions"]["torch"] in page
    assert "Distance to real images" in page
    assert "after all" in page


def test_a_file_that_lies_alone_gets_a_page_beside_it(run, condensery, tmp_path: Path):
    file = tmp_path / "own.safetensors"
    shutil.copy(run("run") / "condensed.safetensors", file)
    assert condensery("report", file).code == 0
    page = (tmp_path / "own.html").read_text(encoding="utf-8")
    assert "condensery take own.safetensors" in page
    assert "recorded no losses" in page
    again = condensery("report", file)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert condensery("report", file, "--overwrite").code == 0


def test_several_runs_stand_in_one_page_and_one_table(run, condensery, tmp_path: Path):
    first, other = run("first"), run("other", observations=('"accuracy": 0.', '"accuracy": 0.0'))
    out = tmp_path / "page.html"
    said = condensery("report", first, other, "--against", "other", "--out", out)
    assert said.code == 0
    assert "Diff. is the average minus that of other" in said.out
    rows = [line.split("|") for line in said.out.splitlines() if line.startswith("|")]
    assert [row[1].strip() for row in rows[2:4]] == ["first", "other"]
    assert rows[2][-2].strip().startswith("+")  # the other's accuracies are smaller
    page = out.read_text(encoding="utf-8")
    assert page.count("<tbody data-name=") == len(rows) - 2
    assert list(tmp_path.glob(".*")) == []


def test_files_and_comparisons_stand_beside_runs(run, condensery, comparison: Path, tmp_path: Path):
    folder, file = run("run"), tmp_path / "own.safetensors"
    data = ("--data", "digits", "--sizes", "1,2", "--networks", "convnet2-w4", "--steps", 2)
    length = ("--protocol", "idc", "--seeds", 1)
    assert condensery("evaluate", folder / "condensed.safetensors", *data, *length).code == 0
    shutil.copy(folder / "condensed.safetensors", file)
    out = tmp_path / "page.html"
    said = condensery("report", folder, file, comparison, "--out", out)
    assert said.code == 0
    names = {line.split("|")[1].strip() for line in said.out.splitlines() if "|" in line}
    assert names >= {"run", "own", "table: c", "table: first", "random"}
    assert "so left out of that table: table: c, table: first." in said.err
    alone = condensery("report", comparison)
    assert alone.code == 0
    assert (comparison / "report.html").exists()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"recipe": ('"fingerprint": "', '"fingerprint": "0')}, "of different training images"),
        ({"observations": ('"idc"', '"dsa"')}, "protocol dsa"),
        ({"observations": ('"steps": 3', '"steps": 4')}, "4 steps"),
        ({"observations": ('"seed": 0, ', "")}, "line 1 is no observation: it has no 'seed'"),
        ({"observations": ('"fp32"', '"fp32')}, "line 1 is no JSON object"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_nothing_is_written(
    run, condensery, tmp_path: Path, other, said
):
    out = tmp_path / "page.html"
    first, second = run("first"), run("second", **other)
    answer = condensery("report", first, second, "--out", out)
    assert answer.code == 2
    assert said in answer.err
    assert not out.exists()
    assert list(tmp_path.glob("*.part")) == list(tmp_path.glob(".*")) == []


def test_what_is_no_run_or_not_ready_is_said(run, condensery, tmp_path: Path):
    folder, out = run("run"), tmp_path / "page.html"
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = run("bare")
    for name in ("observations.jsonl", "condensed.safetensors"):
        (bare / name).unlink()
    for words, said in (
        ((tmp_path / "nowhere",), "no such run or file"),
        ((empty,), "no recipe.json"),
        ((folder, empty, "--out", out), "neither a run nor a comparison"),
        ((bare,), "condensery resume"),
        ((folder, bare, "--out", out), "condensery resume"),
        ((folder / "recipe.json",), "is not a safetensors file"),
        ((folder, run("other")), "--out (out=) is missing"),
        ((folder, folder, "--out", out), "named twice"),
        ((folder, "--against", "x"), "one run stands against nothing"),
        ((folder, run("third"), "--against", "thirt", "--out", out), "Did you mean 'third'"),
        ((folder, run("fourth"), "--out", folder), "is a folder"),
        ((folder, "--out", folder / "outcome.json"), "exists. Give --overwrite"),
    ):
        answer = condensery("report", *words)
        assert answer.code == 2, words
        assert said in answer.err, answer.err
    assert not out.exists()


def test_runs_that_were_not_evaluated_are_named_with_the_command(run, condensery, tmp_path: Path):
    words = ("condense", "digits", "--ipc", 1, *TINY, "--set", "iterations=1", "--no-evaluate")
    bare = tmp_path / "bare"
    assert condensery(*words, "--out", bare).code == 0
    assert condensery("report", bare).code == 0
    assert "Nothing has been evaluated yet" in (bare / "report.html").read_text(encoding="utf-8")
    answer = condensery("report", run("run"), bare, "--out", tmp_path / "page.html")
    assert answer.code == 2
    assert f"condensery evaluate {bare} --data DATA" in answer.err
