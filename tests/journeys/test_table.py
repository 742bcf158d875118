"""A paper's table that was stopped, extended or asked for again; and what a probe expects."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from condensery import api
from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data
from condensery.runs import evaluation, machine
from condensery.runs.comparison.folder import ComparisonFolder

SHORT = (
    *("--budget", "smoke", "--network", "convnet2-w4", "--evaluate-sizes", "1,10"),
    *("--set", "iterations=1", "--set", "schedule.inner=2", "--set", "schedule.steps=1"),
    *("--evaluate-networks", "convnet2-w4", "--evaluate-steps", "2", "--methods", "mdc,c"),
)


@pytest.fixture(autouse=True)
def same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "now", lambda: "then")


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in the shape of CIFAR-10."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "some.npz"
    np.savez(
        path,
        x_train=rng.integers(0, 256, (120, 32, 32, 3), dtype=np.uint8),
        y_train=np.arange(120) % 10,
        x_test=rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8),
        y_test=np.arange(20) % 10,
    )
    return path


@pytest.fixture(scope="module")
def words(colour: Path) -> tuple[str, ...]:
    return ("table", "mdc-1a", *SHORT, "--data", f"cifar10={colour}")


@pytest.fixture(scope="module")
def whole(words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished table of two data sets; not to be changed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "now", lambda: "then")
        assert main([*words, "--data", "mine=digits", "--out", str(out)]) == 0
    return out


def records(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "table.csv").read_text().splitlines()))


def test_the_table_holds_all_data_sets_and_what_was_printed_of_those_in_the_paper(whole: Path):
    rows = records(whole)
    assert {row["data"] for row in rows} == {"cifar10", "mine"}
    (mdc,) = [
        row for row in rows if (row["data"], row["row"], row["size"]) == ("cifar10", "mdc", "10")
    ]
    assert mdc["published"] == "0.6679"
    assert {row["published"] for row in rows if row["data"] == "mine"} == {""}
    text = (whole / "table.md").read_text()
    assert "## cifar10, tested with convnet2-w4" in text
    assert "mdc − c:" in text
    assert "svhn: Give --data svhn=PATH" in text
    assert '<table class="sorted" aria-describedby=' in (whole / "table.html").read_text("utf-8")


def test_a_comparison_of_a_table_is_one_that_compare_goes_on_with(condensery, whole: Path, colour):
    compare = [word if word != "--budget" else "--preset" for word in SHORT]
    said = condensery(
        *("compare", colour, "--name", "cifar10", *compare, "--ipc", 10),
        *("--out", whole / "cifar10", "--dry-run"),
    )
    assert said.code == 0
    assert "sets to condense: 0 of 2" in said.out


def test_the_same_command_again_does_nothing(condensery, whole: Path, words):
    before = {x: x.stat().st_mtime_ns for x in whole.rglob("*") if x.is_file()}
    said = condensery(*words, "--data", "mine=digits", "--out", whole)
    assert said.code == 0
    assert said.err.count("sets to condense: 0 of 2") == 2
    changed = {x.name for x in before if x.stat().st_mtime_ns != before[x]}
    assert changed <= {"comparison.json", ".lock"}


def test_data_sets_that_are_there_stay_in_the_table_when_another_is_added(
    condensery, tmp_path: Path, words, whole: Path
):
    out = tmp_path / "out"
    assert condensery(*words, "--out", out).code == 0
    assert {row["data"] for row in records(out)} == {"cifar10"}
    only = ("--only", "mine", "--data", "mine=digits")
    assert condensery(*words, *only, "--out", out).code == 0
    assert records(out) == records(whole)


def test_ctrl_c_leaves_a_table_and_the_same_command_ends_in_the_same(
    condensery, monkeypatch, tmp_path: Path, words, whole: Path
):
    out, real = tmp_path / "out", evaluation.append_observation
    left = iter(range(3))

    def stopping(*arguments: object):
        if next(left) == 2:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "append_observation", stopping)
        said = condensery(*words, "--data", "mine=digits", "--out", out)
    assert said.code == 130
    assert "the same command goes on" in said.err
    assert "networks are still to be trained" in (out / "table.md").read_text()
    assert condensery(*words, "--data", "mine=digits", "--out", out).code == 0
    assert records(out) == records(whole)


def test_a_dry_run_estimates_what_is_left_and_writes_nothing(
    condensery, tmp_path: Path, words, whole: Path
):
    said = condensery(*words, "--out", tmp_path / "out", "--dry-run")
    assert said.code == 0
    assert "estimate: about" in said.out
    assert "seed 0, 2 sets in one batch: 2 image updates of" in said.out
    assert "testing 6 networks: a training step of convnet2-w4" in said.out
    assert "memory: the probe reached" in said.out
    assert not (tmp_path / "out").exists()
    said = condensery(*words, "--out", whole, "--dry-run")
    assert "estimate: nothing is left to do" in said.out


def test_what_is_published_at_full_length_takes_a_processor_days(condensery, tmp_path: Path):
    long = [x if x != "smoke" else "paper" for x in SHORT if not x.startswith(("iter", "sched"))]
    long = [x for x in long if x != "--set"]
    data = ("--data", "mine=digits", "--set", "iterations=90000000")
    said = condensery("table", "mdc-1a", *long, *data, "--out", tmp_path / "out", "--dry-run")
    assert said.code == 0
    assert " days" in said.out.split("estimate: about")[1].splitlines()[0]


def test_two_processes_never_work_on_one_table(condensery, whole: Path, words):
    with ComparisonFolder(whole).locked(print):
        said = condensery(*words, "--out", whole)
    assert said.code == 2
    assert "another process" in said.err


def test_a_content_of_another_version_is_named(condensery, tmp_path: Path, words):
    out = tmp_path / "out"
    (out / "old").mkdir(parents=True)
    (out / "paper-table.json").write_text(json.dumps({"condensery_table": 1}))
    (out / "old" / "content.json").write_text(json.dumps({"made": {}}))
    said = condensery(*words, "--out", out)
    assert said.code == 2
    assert "content.json: cannot be read" in said.err
    assert not (out / "cifar10").exists()


def test_experts_are_kept_in_the_cache_and_shared_and_change_nothing(condensery, tmp_path: Path):
    out = tmp_path / "out"
    words = ("table", "mdc-2a", *SHORT[:6], *SHORT[-6:-2], "--data", "mine=digits", "--out", out)
    said = condensery(*words, "--methods", "mtt")
    assert said.code == 0
    assert "experts: epoch" in said.err
    alone = api.condense(
        load_data("digits"), method="mtt", ipc=10, preset="smoke", network="convnet2-w4"
    ).result()
    made = CondensedSet.load(out / "mine" / "sets" / "mtt-seed0.safetensors")
    assert torch.equal(made.images, alone.images)
    assert made.manifest["recipe"]["schedule"]["buffer"] == ""
    said = condensery(*words, "--methods", "mtt:all")
    assert said.code == 0
    assert "condense mtt-all-ipc10" in said.err
    assert "experts: epoch" not in said.err
