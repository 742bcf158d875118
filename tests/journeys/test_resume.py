"""A run that was stopped, in whatever way, ends in the same bytes as one that was not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from condensery.condensed.artifact import CondensedSet
from condensery.runs import driver, evaluation, machine

CREATED = "then"
LENGTH = ("--set", "iterations=4", "--set", "schedule.inner=2", "--set", "schedule.steps=1")
WORDS = ("condense", "digits", "--method", "mdc", "--ipc", "2", "--preset", "smoke", *LENGTH)
TESTED = ("--evaluate-steps", "2", "--evaluate-sizes", "1,2")


@pytest.fixture(autouse=True)
def same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "now", lambda: CREATED)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch):
    """A checkpoint at the end of every iteration."""
    monkeypatch.setattr(driver, "CHECKPOINT_EVERY", 0.0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from condensery.cli.main import main

    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "now", lambda: CREATED)
        assert main([*WORDS, *TESTED, "--out", str(run)]) == 0
    return run


def updates(run: Path) -> list[tuple[int, int, float]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [(x["outer"], x["inner"], x["loss"]) for x in map(json.loads, lines)]


def assert_same(run: Path, other: Path) -> None:
    names = ("condensed.safetensors", "pictures/contact-sheet.png", "pictures/iteration-3.png")
    for name in names:
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    assert updates(run) == updates(other)


def stop_at(monkeypatch: pytest.MonkeyPatch, where: object, name: str, call: int) -> None:
    """Press Ctrl-C at the ``call``-th call (from 1) of ``where.name``."""
    real, calls = getattr(where, name), iter(range(1, 1000))

    def stopping(*arguments: object) -> object:
        if next(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(where, name, stopping)


@pytest.mark.parametrize("update", [1, 2, 4, 8])
def test_ctrl_c_at_any_update_says_how_to_go_on(
    condensery, monkeypatch, tmp_path: Path, uninterrupted: Path, update: int
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, driver, "_record", update)
        said = condensery(*WORDS, *TESTED, "--out", run)
    assert said.code == 130
    assert f"condensery resume {run}" in said.err
    assert not (run / "condensed.safetensors").exists()
    done = (update - 1) // 2  # whole iterations: two updates each
    checkpoints = [f"checkpoint-{done}.safetensors"] if done else []
    kept = run / "checkpoints"
    assert [x.name for x in sorted(kept.glob("*"))][-1:] == checkpoints
    said = condensery("resume", run)
    assert said.code == 0
    assert (f"after iteration {done} of 4" in said.err) == bool(done)
    assert_same(run, uninterrupted)


def test_kill_9_and_resume_gives_the_same_bytes(condensery, tmp_path: Path, uninterrupted: Path):
    run = tmp_path / "run"
    script = (
        "import sys\n"
        "from condensery.runs import driver, machine\n"
        "driver.CHECKPOINT_EVERY = 0.0\n"
        f"machine.now = lambda: {CREATED!r}\n"
        "from condensery.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, *WORDS, *TESTED, "--out", str(run)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    metrics = run / "metrics.jsonl"
    try:
        while process.poll() is None:
            if metrics.exists() and metrics.read_bytes().count(b"\n") >= 5:
                break
            time.sleep(0.002)
    finally:
        process.kill()  # SIGKILL
        process.wait()
    assert process.returncode == -9
    assert not (run / "report.html").exists()
    said = condensery("resume", run)
    assert said.code == 0
    assert "Goes on after iteration" in said.err
    assert_same(run, uninterrupted)


@pytest.mark.usefixtures("often")
def test_a_torn_checkpoint_is_skipped_with_a_notice(
    condensery, monkeypatch, tmp_path: Path, uninterrupted: Path
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, driver, "_record", 6)
        condensery(*WORDS, *TESTED, "--out", run)
    newest = run / "checkpoints" / "checkpoint-2.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"outer": 2, "in')  # and a torn line
    said = condensery("resume", run)
    assert said.code == 0
    assert "Skipped a damaged checkpoint" in said.err
    assert "after iteration 1 of 4" in said.err
    assert_same(run, uninterrupted)


def test_an_interrupted_evaluation_trains_only_what_is_missing(
    condensery, monkeypatch, tmp_path: Path, uninterrupted: Path
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, evaluation, "append_observation", 3)
        assert condensery(*WORDS, *TESTED, "--out", run).code == 130
    before = (run / "observations.jsonl").read_text()
    assert len(before.splitlines()) == 2
    said = condensery("resume", run)
    assert said.code == 0
    assert "condense:" not in said.err
    assert (run / "observations.jsonl").read_text().startswith(before)
    assert_same(run, uninterrupted)


def test_a_finished_run_is_left_as_it_is(condensery, tmp_path: Path, uninterrupted: Path):
    run = shutil.copytree(uninterrupted, tmp_path / "run")
    before = {x: x.stat().st_mtime_ns for x in run.rglob("*") if x.is_file() and x.suffix}
    said = condensery("resume", run)
    assert said.code == 0
    assert "nothing was missing" in said.err
    assert {x: x.stat().st_mtime_ns for x in before} == before
    (run / "report.html").unlink()
    (run / "condensed.safetensors").unlink()
    again = condensery("resume", run)
    assert "nothing was missing" not in again.err
    assert "network" not in again.err  # all observations are still of this set
    assert (run / "report.html").exists()
    assert_same(run, uninterrupted)


def test_a_run_does_not_go_on_with_other_data(condensery, tmp_path: Path, uninterrupted: Path):
    run = shutil.copytree(uninterrupted, tmp_path / "run")
    (run / "report.html").unlink()
    facts = json.loads((run / "recipe.json").read_text())
    facts["data"]["fingerprint"] = "0" * 32
    (run / "recipe.json").write_text(json.dumps(facts))
    said = condensery("resume", run)
    assert said.code == 2
    assert "fingerprint" in said.err
    assert "0" * 32 in said.err
    assert not (run / "report.html").exists()


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(
    condensery, monkeypatch, tmp_path: Path
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, driver, "_record", 4)
        condensery(*WORDS, *TESTED, "--out", run)
    said = condensery("resume", run, "--set", "update.lr=1e38")
    assert said.code == 2
    assert said.err.count("condensery: error:") == 1
    assert "outer iteration 1, inner 1" in said.err
    assert "class '" in said.err
    assert f"condensery resume {run} --set" in said.err
    assert [x.name for x in (run / "checkpoints").iterdir()] == ["checkpoint-1.safetensors"]
    assert not (run / "condensed.safetensors").exists()
    mended = condensery("resume", run, "--set", "update.lr=0.01")
    assert mended.code == 0
    recipe = CondensedSet.load(run / "condensed.safetensors").manifest["recipe"]
    assert recipe["update"]["lr"] == 0.01
    changes = json.loads((run / "recipe.json").read_text())["changes"]
    assert [change["set"]["update.lr"] for change in changes] == ["1e38", "0.01"]
    late = condensery("resume", run, "--set", "update.lr=0.02")
    assert late.code == 2
    assert "complete" in late.err


def test_resume_begins_a_run_or_goes_on_with_this_very_one(condensery, tmp_path, monkeypatch):
    run = tmp_path / "run"
    words = (*WORDS, "--no-evaluate", "--resume", "--out", run)
    stop_at(monkeypatch, driver, "_record", 5)
    assert condensery(*words).code == 130
    monkeypatch.undo()
    went_on = condensery(*words)
    assert went_on.code == 0
    assert "Goes on after iteration 2 of 4" in went_on.err
    before = (run / "condensed.safetensors").read_bytes()
    assert condensery(*words).code == 0
    assert (run / "condensed.safetensors").read_bytes() == before
    for changed, said in (
        (("--seed", "3"), "seed is 0 there and 3 here"),
        (("--set", "update.lr=0.5"), "update.lr is "),
    ):
        refused = condensery(*words, *changed)
        assert refused.code == 2
        assert f"{run} holds another run: {said}" in refused.err
    assert (run / "condensed.safetensors").read_bytes() == before
