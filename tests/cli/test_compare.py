"""What ``condensery compare`` refuses before any work, and the words it understands."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from condensery import load_data
from condensery.cli.main import main
from condensery.cli.options import rows
from condensery.runs import EVALUATIONS
from condensery.runs.comparison.plan import shared_choices


def refused(capsys: pytest.CaptureFixture[str], out: Path, *words: str) -> str:
    assert main(["compare", "digits", "--out", str(out / "out"), *words]) == 2
    assert not (out / "out").exists()
    said = capsys.readouterr().err
    assert said.count("condensery: error:") == 1
    return said


def test_every_kind_of_row_is_understood(each):
    for word in each(["mdc", "idc:all", "a", "b", "c", "k-center"]):
        assert rows(word) == (word,)


def test_what_is_no_row_is_refused(each):
    for word in each(["mcd", "a:one", "random:all", "idc:", "idc:most"]):
        with pytest.raises(argparse.ArgumentTypeError, match="cannot be compared"):
            rows(word)


def test_what_cannot_work_is_refused_before_anything_is_made(each, capsys, tmp_path_factory):
    for words, said in each(
        [
            (("--methods", "mcd"), "Did you mean 'mdc'?"),
            (("--ipc", "4", "--evaluate-sizes", "1,5"), "--evaluate-sizes 5"),
            (("--evaluate-baselines", "herding"), "named in --methods"),
            (("--preset", "smoke", "--network", "convnet9-x"), "convnet9-x"),
            (("--preset", "smoke", "--evaluate-networks", "nothing-such"), "nothing-such"),
            (("--preset", "smoke", "--set", "update.rate=1"), "update.rate"),
            (("--preset", "smoke", "--ipc", "5000"), "5000"),
            (("--preset", "smoke", "--evaluate-protocol", "mtt"), "learned no learning rate"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        assert said in refused(capsys, tmp_path, *words)


def test_all_rows_are_tested_by_the_usual_protocol_of_their_images(each):
    for side, usual in each([(64, "idc"), (65, "imagenet")]):
        data = load_data((np.zeros((4, side, side), np.uint8), np.array([0, 0, 1, 1])))
        given = EVALUATIONS["smoke"]
        assert shared_choices(given, data, device="cpu")["protocol"] == usual
        assert shared_choices(replace(given, protocol="dc"), data, device="cpu")["protocol"] == "dc"


def test_a_folder_of_something_else_is_left_alone(capsys, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    assert main(["compare", "digits", "--out", str(tmp_path / "out")]) == 2
    assert "holds other things" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


def test_a_comparison_of_a_newer_format_is_not_touched(capsys, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "comparison.json").write_text('{"condensery_comparison": 2}')
    assert main(["compare", "digits", "--out", str(out)]) == 2
    assert "comparison format 2" in capsys.readouterr().err
