"""What ``condensery table`` refuses before any work, and how data sets are named and found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from condensery.cli.main import main
from condensery.runs.comparison.api import PreparedComparison, prepare
from condensery.runs.comparison.estimate import Estimate
from condensery.runs.tables import api
from condensery.runs.tables.api import available
from condensery.runs.tables.papers import TABLES, paper_table

SMOKE = ("--budget", "smoke", "--network", "convnet2-w4", "--evaluate-networks", "convnet2-w4")


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    assert main(["table", *map(str, words)]) == code
    found = capsys.readouterr()
    assert found.err.count("condensery: error:") == (code != 0)
    return found.out + found.err


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    """Noise in the shape of CIFAR-10, under a name that says nothing."""
    rng = np.random.default_rng(0)
    path = tmp_path / "some.npz"
    np.savez(
        path,
        x_train=rng.integers(0, 256, (240, 32, 32, 3), dtype=np.uint8),
        y_train=np.arange(240) % 10,
        x_test=rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8),
        y_test=np.arange(20) % 10,
    )
    return path


def test_without_a_name_every_table_has_one_line(capsys):
    lines = said(capsys, code=0).splitlines()
    assert [line.split()[0] for line in lines] == list(TABLES)
    assert "imagenet-10" in lines[2]


def test_a_misspelt_table_is_answered_with_the_nearest(capsys):
    assert "Did you mean 'mdc-1a'?" in said(capsys, "mdc-1aa", *SMOKE)


def test_no_data_at_all_is_answered_with_how_to_give_each(capsys, tmp_path: Path):
    out = tmp_path / "out"
    text = said(capsys, "mdc-1a", *SMOKE, "--out", out)
    assert "none of its data sets is here" in text
    for name in ("svhn", "cifar10", "cifar100"):
        assert f"Give --data {name}=PATH, or --data-dir DIR" in text
    assert not out.exists()


def test_only_what_is_asked_for_is_missed(capsys):
    text = said(capsys, "mdc-1a", *SMOKE, "--only", "CIFAR-10")
    assert "cifar10: Give" in text
    assert "svhn" not in text


def test_a_folder_without_the_data_says_what_was_looked_for(capsys, tmp_path: Path):
    text = said(capsys, "mdc-2a", *SMOKE, "--data-dir", tmp_path)
    assert f"cifar10 was not found under {tmp_path}" in text
    assert "Or give --data cifar10=PATH" in text
    gone = tmp_path / "gone"
    assert f"--data-dir {gone}: is no folder" in said(capsys, "mdc-2a", "--data-dir", gone)


def test_what_may_be_fetched_is_not_missed(tmp_path: Path):
    def found(name: str, *, download: bool) -> tuple[bool, bool]:
        table = paper_table(name)
        given = {"mine": ("digits",)}
        only = (table.data[0], "mine")
        here, missing = available(table, given, data_dir=tmp_path, download=download, only=only)
        return table.data[0] in here, table.data[0] in missing

    assert found("mdc-1a", download=False) == (False, True)
    assert found("mdc-1a", download=True) == (True, False)
    assert found("mdc-1c", download=True) == (False, True)  # it is not freely there


def test_what_cannot_work_is_refused_before_anything_is_made(
    each, capsys, tmp_path_factory, monkeypatch
):
    for words, found in each(
        [
            (("--only", "cifar"), "mdc-1a has svhn, cifar10, cifar100. Did you mean 'cifar10'?"),
            (("--data", "digits"), "is no NAME=PATH"),
            (("--download",), "give --data-dir DIR"),
            (("--budget", "paperr"), "Did you mean 'paper'?"),
            (("--methods", "mcd"), "Did you mean 'mdc'?"),
            (
                ("--evaluate-sizes", "1,20"),
                "--evaluate-sizes 20: the sets hold 10 images per class",
            ),
            (("--evaluate-baselines", "herding"), "named in --methods"),
            (("--data", "cifar10=digits"), "is not cifar10, so nothing published"),
            (("--data", "mine=digits", "--set", "update.rate=1"), "update.rate"),
            (("--data", "mine=/nowhere/at/all"), "/nowhere/at/all"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        monkeypatch.chdir(tmp_path)
        assert found in said(capsys, "mdc-1a", *words)
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch):
    """What a command prepares, if it prepares one comparison."""

    def planned(*words: object) -> PreparedComparison:
        made: list[PreparedComparison] = []

        def preparing(*given: Any, **named: Any) -> PreparedComparison:
            made.append(prepare(*given, **named))
            return made[-1]

        nothing = Estimate(condensing=0, testing=0, share=1, lines=())
        monkeypatch.setattr(api, "prepare", preparing)
        monkeypatch.setattr(PreparedComparison, "estimate", lambda self, reporter: nothing)
        assert main(["table", *map(str, words), "--dry-run"]) == 0
        (prepared,) = made
        return prepared

    return planned


def test_the_table_decides_rows_sizes_and_number_of_images(planned, colour: Path, tmp_path: Path):
    prepared = planned("mdc-1a", "--data", f"CIFAR-10={colour}", "--out", tmp_path / "out")
    assert (prepared.folder.path.name, prepared.data.name) == ("cifar10", "cifar10")
    assert prepared.plan.methods == ("a", "b", "c", "mdc", "random")
    assert prepared.plan.sizes == tuple(range(1, 11))
    assert (prepared.plan.ipc, prepared.plan.preset) == (10, "quick")
    assert (prepared.plan.evaluation["protocol"], prepared.plan.evaluation["seeds"]) == ("quick", 2)
    assert prepared.folder.path == tmp_path / "out" / "cifar10"


def test_it_can_be_cut_and_extended(planned, colour: Path, tmp_path: Path):
    prepared = planned(
        *("mdc-1a", "--data", f"cifar10={colour}", "--out", tmp_path / "out"),
        *("--methods", "nested,c", "--evaluate-sizes", "1,10", "--set", "iterations=3"),
        *("--evaluate-seeds", "2", "--condensations", "2"),
    )
    assert prepared.plan.methods == ("nested", "c", "random")
    assert prepared.plan.sizes == (1, 10)
    assert {run.recipe.iterations for run in prepared.plan.runs.values()} == {3}
    assert (prepared.plan.evaluation["seeds"], prepared.plan.condensations) == (2, 2)


def test_data_of_ones_own_is_one_more_data_set_under_its_own_name(planned, tmp_path: Path):
    prepared = planned("mdc-2a", "--data", "mine=digits", "--out", tmp_path / "out")
    assert (prepared.folder.path.name, prepared.data.name) == ("mine", "digits")


def test_a_larger_network_tests_where_the_table_has_one(planned, colour: Path, tmp_path: Path):
    words = ("--data", f"mine={colour}", "--methods", "mdc", "--evaluate-sizes", "1")
    prepared = planned("mdc-1c", *words, "--out", tmp_path / "out")
    assert prepared.plan.evaluation["networks"] == ("resnetap10",)
    assert {run.recipe.network for run in prepared.plan.runs.values()} == {"resnetap10"}
