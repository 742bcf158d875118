"""Comparisons from Python: the same files as the command line, without printing anything."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import condensery
from condensery.cli.main import main
from condensery.errors import ArtifactError, ConfigError
from condensery.runs import EvaluationPlan, Event, machine

LENGTH = {"iterations": 1, "schedule.inner": 2, "schedule.steps": 1}
RECIPE = {"ipc": 2, "preset": "smoke", "network": "convnet2-w4", "settings": LENGTH}
TESTED = EvaluationPlan(networks=("convnet2-w4",), seeds=1, steps=2, sizes=(1, 2))


@pytest.fixture(autouse=True)
def same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "now", lambda: "then")


def compared(out: Path, *methods: str, **more: object) -> condensery.Comparison:
    given = {**RECIPE, "evaluation": TESTED, **more}
    return condensery.compare("digits", out, methods=methods, **given)


def sets(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "sets").iterdir()}


def test_python_and_the_command_line_write_the_same_comparison(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    done = compared(tmp_path / "python", "mdc", "c")
    assert capfd.readouterr() == ("", "")
    words = [f"--set={key}={value}" for key, value in LENGTH.items()]
    words += ["--methods=mdc,c", "--ipc=2", "--preset=smoke", "--network=convnet2-w4"]
    words += ["--evaluate-networks=convnet2-w4", "--evaluate-steps=2"]
    other = tmp_path / "command"
    assert main(["compare", "digits", *words, "--out", str(other)]) == 0
    assert sets(done.path) == sets(other)
    assert done.tables["csv"].read_bytes() == (other / "table.csv").read_bytes()
    assert (done.path / "comparison.json").read_bytes() == (other / "comparison.json").read_bytes()
    shown = done.content
    assert shown is not None
    assert [row.name for row in shown.tables[0].rows] == ["mdc", "c", "random"]
    assert re.search(r"\| +mdc \|", done.table())
    assert {(x.set, x.size) for x in done.observations} >= {("mdc", 1), ("random", 2)}
    assert "2 images per class: mdc, c, random; finished" in repr(done)


def test_the_same_call_goes_on_and_more_rows_do_only_what_is_new(tmp_path: Path):
    def interrupt(event: Event) -> None:
        if (event.kind, event.task) == ("step", "evaluate"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="goes on in"):
        compared(tmp_path / "out", "mdc", progress=interrupt)
    assert "3 networks are still to be trained" in repr(condensery.Comparison(tmp_path / "out"))
    before = sets(tmp_path / "out")
    done = compared(tmp_path / "out", "mdc", "c")
    assert "sets to condense: 1 of 2" in done.outlook
    assert "networks to train: 5 of 6" in done.outlook
    assert before.items() <= sets(done.path).items()
    assert "finished" in repr(done)


def test_a_dry_run_writes_nothing(tmp_path: Path):
    planned = compared(tmp_path / "out", "mdc", dry_run=True)
    assert "sets to condense: 1 of 1" in planned.outlook
    assert planned.content is None
    assert planned.table() == ""
    with pytest.raises(ArtifactError, match="holds no comparison yet"):
        _ = planned.facts
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_work_is_said_before_anything_is_made(each, tmp_path_factory):
    for wrong, words in each(
        [
            ({"evaluation": replace(TESTED, baselines=("random", "herding"))}, r"methods=\)"),
            ({"evaluation": replace(TESTED, sizes=(3,))}, "--evaluate-sizes 3"),
            ({"preset": "smok"}, "'smok' is unknown"),
            ({"condensations": 0}, "condensations = 0"),
            ({"settings": {"objective": object()}}, "package.module:Class"),
            ({"device": "tpu9"}, "--device tpu9"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        with pytest.raises(ConfigError, match=words):
            compared(tmp_path / "out", "mdc", **wrong)
        assert list(tmp_path.iterdir()) == []
