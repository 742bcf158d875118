"""Experts on the command line: made ahead, made by a run, stopped, shared, refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from condensery.condensed.artifact import CondensedSet
from condensery.experts import ExpertTraining
from condensery.runs import machine

SMALL = ("--preset", "smoke", "--ipc", "2", "--network", "convnet2-w4")
RUN = ("condense", "digits", "--method", "mtt", "--no-evaluate", *SMALL)


@pytest.fixture(autouse=True)
def same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "now", lambda: "then")


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch):
    """Press Ctrl-C in the second epoch that is trained."""
    after, calls = ExpertTraining.after, iter(range(1, 100))

    def stopping(self, *given, **named):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return after(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(ExpertTraining, "after", stopping)
        yield patch


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def experts(cache: Path) -> list[str]:
    (folder,) = (cache / "experts").iterdir()
    return names(folder)


def test_a_run_makes_its_experts_and_a_set_with_a_learning_rate(condensery, tmp_path, own_cache):
    run = tmp_path / "run"
    said = condensery(*RUN, "--out", run)
    assert said.code == 0
    assert "experts: epoch 2/2" in said.err
    assert experts(own_cache) == ["expert-0000"]
    assert not (run / "experts").exists()
    took = json.loads((run / "outcome.json").read_text())
    assert took["cpu_seconds"] > 0
    found = CondensedSet.load(run / "condensed.safetensors")
    assert 0 < found.manifest["learned_lr"] != 0.1
    told = found.manifest["experts"]
    assert (told["experts"], told["epochs"]) == (1, 2)
    assert 0 < told["cpu_seconds"] == took["expert_cpu_seconds"]
    said = condensery(
        "evaluate", run / "condensed.safetensors", "--data", "digits", "--steps", "2",
        "--seeds", "1", "--sizes", "1,2", "--networks", "convnet2-w4",
    )  # fmt: skip
    assert said.code == 0
    assert "protocol mtt" in said.out
    said = condensery(*RUN, "--out", run, "--overwrite")
    assert said.code == 0
    assert "1 experts are there already" in said.err
    assert "experts: epoch" not in said.err


def test_experts_made_ahead_serve_runs_of_several_sizes_and_other_words_are_refused(
    condensery, tmp_path: Path, monkeypatch, own_cache
):
    folder = tmp_path / "shared"
    words = ("experts", "digits", "--out", folder, *SMALL)
    said = condensery(*words, "--trajectories", "2")
    assert said.code == 0
    assert f"2 experts of 2 epochs: {folder}" in said.out
    assert names(folder) == ["expert-0000", "expert-0001"]
    with monkeypatch.context() as patch:
        patch.setattr(ExpertTraining, "after", lambda *_, **__: pytest.fail("trained again"))
        assert condensery(*words).code == 0
        for ipc in (1, 2):
            out = tmp_path / f"run{ipc}"
            using = ("--set", f"schedule.buffer={folder}", "--out", out)
            assert condensery(*RUN, "--ipc", ipc, *using).code == 0
    assert not own_cache.exists()
    other = tmp_path / "other"
    using = ("--set", f"schedule.buffer={folder}", "--out", other)
    said = condensery(*RUN, "--network", "convnet2-w5", *using)
    assert said.code == 2
    assert "network is 'convnet2-w4' there and 'convnet2-w5' here" in said.err
    assert not other.exists()
    said = condensery(*words, "--set", "schedule.seed=1")
    assert said.code == 2
    assert "seed is 0 there and 1 here" in said.err


def test_a_run_stopped_while_its_experts_are_trained_goes_on(
    condensery, tmp_path: Path, stop, own_cache, monkeypatch
):
    whole, run = tmp_path / "whole", tmp_path / "run"
    said = condensery(*RUN, "--out", run)
    assert said.code == 130
    assert f"condensery resume {run}" in said.err
    assert experts(own_cache) == ["expert-0000"]
    stop.undo()
    said = condensery("resume", run)
    assert said.code == 0
    assert "epoch 2/2" in said.err
    assert "epoch 1/2" not in said.err
    monkeypatch.setenv("CONDENSERY_CACHE", str(tmp_path / "cache"))
    assert condensery(*RUN, "--out", whole).code == 0
    one, other = (CondensedSet.load(r / "condensed.safetensors") for r in (run, whole))
    assert torch.equal(one.images, other.images)


def test_experts_made_ahead_into_the_cache_serve_a_run_that_names_no_folder(
    condensery, tmp_path: Path, own_cache
):
    said = condensery("experts", "digits", *SMALL)
    assert said.code == 0
    (folder,) = (own_cache / "experts").iterdir()
    assert f"1 experts of 2 epochs: {folder}" in said.out
    said = condensery(*RUN, "--out", tmp_path / "run")
    assert said.code == 0
    assert re.search(rf"there already \(they took [\d.]+ m?s of CPU time\): {folder}", said.err)


def test_stopped_experts_say_how_to_go_on(condensery, tmp_path: Path, stop):
    words = ("experts", "digits", "--out", tmp_path / "new", *SMALL)
    said = condensery(*words)
    assert said.code == 130
    assert "the same command" in said.err
    stop.undo()
    assert condensery(*words).code == 0


def test_a_budget_that_ends_among_the_experts_keeps_them(condensery, tmp_path: Path, own_cache):
    run = tmp_path / "run"
    said = condensery(*RUN, "--time-budget", "0.001s", "--out", run)
    assert said.code == 2
    assert "1 of 2 epochs of experts untrained" in said.err
    assert experts(own_cache) == ["expert-0000"]
    said = condensery("resume", run, "--time-budget", "1h")
    assert said.code == 0
    assert json.loads((run / "outcome.json").read_text())["reason"] == "complete"


def test_experts_need_a_folder(condensery, tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("mine")
    said = condensery("experts", "digits", "--out", file, *SMALL)
    assert said.code == 2
    assert "stored in a folder" in said.err
    assert file.read_text() == "mine"
