"""A start that failed, in whatever way, does not stand in the way of the same command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from condensery import checkpoint
from condensery.runs import driver
from condensery.runs.comparison import driver as comparison_driver
from condensery.sharing.pictures import Pictures

SMOKE = ("--preset", "smoke", "--ipc", 1, "--evaluate-steps", 2)
FAILURES = [
    (KeyboardInterrupt(), 130, "interrupted"),
    (MemoryError("Unable to allocate 9. GiB"), 2, "not enough memory (Unable to allocate 9. GiB)"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "not enough memory"),
    (OSError(28, "No space left on device", "x"), 2, "x: No space left on device"),
]


@pytest.fixture(params=FAILURES, ids=lambda x: type(x[0]).__name__)
def failure(request: pytest.FixtureRequest):
    return request.param


def failing(monkeypatch: pytest.MonkeyPatch, where: object, name: str, error: BaseException):
    def fail(*arguments: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(where, name, fail)


@pytest.mark.parametrize(
    ("where", "failure"),
    zip(["LineFile", "train_for", "preview", "_record"], FAILURES, strict=True),
)
def test_a_run_begins_anew(condensery, monkeypatch, tmp_path: Path, failure, where: str):
    error, code, words = failure
    run = tmp_path / "run"
    command = ("condense", "digits", *SMOKE, "--no-evaluate", "--out", run)
    with monkeypatch.context() as patch:
        failing(patch, driver, where, error)
        said = condensery(*command)
    assert said.code == code
    assert words in said.err
    assert (run / "recipe.json").exists()
    again = condensery(*command, "--seed", 1)
    assert again.code == 0, again.err
    assert "an earlier start in this folder ended before its first update" in again.err
    assert condensery(*command).code == 2  # it is finished now


def test_a_run_that_was_killed_at_its_start_begins_anew(condensery, tmp_path: Path):
    run = tmp_path / "run"
    command = ("condense", "digits", *SMOKE, "--no-evaluate", "--out", run)
    code = (
        "import os, sys\n"
        "from condensery.runs import driver\n"
        "driver.preview = lambda *given, **more: os.kill(os.getpid(), 9)\n"
        "from condensery.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    words = [sys.executable, "-c", code, *map(str, command)]
    killed = subprocess.run(words, capture_output=True, check=False)
    assert killed.returncode == -9
    assert (run / "recipe.json").exists()
    assert condensery(*command).code == 0


def test_a_run_that_failed_at_its_start_can_also_be_resumed(
    condensery, monkeypatch, tmp_path: Path
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        failing(patch, driver, "preview", KeyboardInterrupt())
        said = condensery("condense", "digits", *SMOKE, "--no-evaluate", "--out", run)
    assert f"condensery resume {run}" in said.err
    assert condensery("resume", run).code == 0


@pytest.mark.parametrize(
    ("where", "failure"),
    zip(["pending", "initial_states", "run_together", "_condense"], FAILURES, strict=True),
)
def test_a_comparison_begins_anew_also_with_other_options(
    condensery, monkeypatch, tmp_path: Path, failure, where: str
):
    error, code, words = failure
    out = tmp_path / "out"
    command = ("compare", "digits", *SMOKE, "--methods", "mdc", "--evaluate-sizes", 1, "--out", out)
    with monkeypatch.context() as patch:
        failing(patch, comparison_driver, where, error)
        said = condensery(*command)
    assert said.code == code
    assert words in said.err
    again = condensery(*command, "--seed", 1)
    assert again.code == 0, again.err
    other = condensery(*command, "--seed", 2)
    assert other.code == 2
    assert "seed = 1, but now seed is 2" in other.err


def test_a_table_begins_anew(condensery, monkeypatch, tmp_path: Path, failure):
    error, code, words = failure
    data = ("--data", "mine=digits", "--only", "mine", "--budget", "smoke", "--methods", "random")
    command = ("table", "mdc-1a", *data, "--evaluate-steps", 2, "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        failing(patch, comparison_driver, "read_observations", error)
        said = condensery(*command)
    assert said.code == code
    assert words in said.err
    again = condensery(*command)
    assert again.code == 0, again.err


@pytest.mark.parametrize("command", ["take", "select"])
def test_a_file_is_written_whole_or_not_at_all(
    condensery, monkeypatch, tmp_path: Path, finished: Path, failure, command: str
):
    error, code, _ = failure
    given = {
        "take": ("take", finished / "condensed.safetensors", "--ipc", 1),
        "select": ("select", "digits", "--by", "random", "--ipc", 1),
    }
    words = (*given[command], "--out", tmp_path / "out.safetensors")
    with monkeypatch.context() as patch:
        failing(patch, checkpoint.os, "fsync", error)
        assert condensery(*words).code == code
    assert list(tmp_path.iterdir()) == []
    assert condensery(*words).code == 0


def test_an_export_is_exchanged_whole_or_not_at_all(
    condensery, monkeypatch, tmp_path: Path, finished: Path, failure
):
    error, code, _ = failure
    words = ("export", finished / "condensed.safetensors", "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        failing(patch, Pictures, "stems", error)
        assert condensery(*words).code == code
    assert list(tmp_path.iterdir()) == []
    assert condensery(*words).code == 0
    before = sorted((tmp_path / "out").rglob("*"))
    rename = Path.rename

    def fail(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise error
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        assert condensery(*words, "--overwrite", "--ipc", 1).code == code
    assert sorted((tmp_path / "out").rglob("*")) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
