"""Runs from Python: the same files and bits as the command line, whatever stops them."""

from __future__ import annotations

import itertools
import json
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import condensery
from condensery.cli.main import main
from condensery.devices import deterministic
from condensery.errors import ArtifactError, ConfigError
from condensery.runs import DataSource, EvaluationPlan, Event, driver, machine

LENGTH = {"iterations": 3, "schedule.inner": 2, "schedule.steps": 1}
CHOICES = {"method": "dm", "ipc": 2, "preset": "smoke", "network": "convnet2-w4"}
TESTED = EvaluationPlan(networks=("convnet2-w4",), seeds=1, steps=2)


@pytest.fixture(autouse=True)
def same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "now", lambda: "then")


def a_run(data: object, out: Path, **more: object) -> condensery.Run:
    given = {"settings": LENGTH, "evaluation": TESTED, **CHOICES, **more}
    return condensery.run(data, out, **given)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> condensery.Run:
    """A finished run; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "now", lambda: "then")
        return a_run("digits", tmp_path_factory.mktemp("whole") / "run")


class Interrupting:
    """A listener that interrupts at a step, as Ctrl-C does."""

    def __init__(self, task: str, step: int) -> None:
        self.task, self.step = task, step

    def __call__(self, event: Event) -> None:
        if (event.kind, event.task, event.done) == ("step", self.task, self.step):
            raise KeyboardInterrupt


def condensed_bytes(run: condensery.Run) -> bytes:
    return (run.path / "condensed.safetensors").read_bytes()


def test_a_run_gives_what_lies_in_its_folder(whole: condensery.Run):
    assert whole.condensed.sizes == 2
    assert {seen.size for seen in whole.observations} == {1, 2}
    assert len(whole.history) == 6
    assert whole.outcome is not None
    assert whole.outcome["reason"] == "complete"
    assert whole.recipe.iterations == 3
    assert whole.report.exists()
    assert "images per class" in whole.table()
    shown = repr(condensery.Run(whole.path))
    assert "dm on digits, 2 images per class; complete after 3 of 3 iterations" in shown


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    a_run("digits", tmp_path / "run", evaluation=False)
    assert capfd.readouterr() == ("", "")


def test_the_command_line_gives_the_same_bits_and_facts(whole: condensery.Run, tmp_path: Path):
    words = [f"--set={key}={value}" for key, value in LENGTH.items()]
    words += ["--method=dm", "--ipc=2", "--preset=smoke", "--network=convnet2-w4"]
    words += ["--evaluate-networks=convnet2-w4", "--evaluate-steps=2"]
    assert main(["condense", "digits", *words, "--out", str(tmp_path / "run")]) == 0
    run = condensery.Run(tmp_path / "run")
    assert condensed_bytes(run) == condensed_bytes(whole)
    mine, theirs = (dict(each.facts) for each in (whole, run))
    assert mine.pop("source")["data"] == theirs.pop("source")["data"]
    assert mine == theirs
    assert {x.name for x in run.path.iterdir()} == {x.name for x in whole.path.iterdir()}


def test_a_deterministic_run_says_so_goes_on_so_and_on_a_cpu_has_the_same_bits(
    whole: condensery.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(driver, "CHECKPOINT_EVERY", 0.0)
    seen: list[bool] = []

    def look(event: Event) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())

    with deterministic(), pytest.raises(KeyboardInterrupt):
        a_run("digits", tmp_path / "run", progress=Interrupting("condense", 3))
    with pytest.raises(ConfigError, match="deterministic is True there and False here"):
        a_run("digits", tmp_path / "run", go_on=True)
    resumed = condensery.resume(tmp_path / "run", progress=look)
    assert condensed_bytes(resumed) == condensed_bytes(whole)
    assert set(seen) == {True}
    assert not torch.are_deterministic_algorithms_enabled()
    assert resumed.facts["deterministic"]
    assert ", deterministic" in resumed.report.read_text()


def test_the_option_of_the_command_line_lasts_as_long_as_the_command(tmp_path: Path):
    words = ["--method=dm", "--ipc=1", "--preset=smoke", "--network=convnet2-w4", "--no-evaluate"]
    words += ["--set=iterations=1", "--deterministic", "--out", str(tmp_path / "run")]
    assert main(["condense", "digits", *words]) == 0
    assert condensery.Run(tmp_path / "run").facts["deterministic"]
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("task", "step", "goes_on_with"), [("condense", 1, 1), ("condense", 5, 5), ("evaluate", 3, 4)]
)
def test_a_run_that_was_interrupted_ends_in_the_same_bits(
    whole: condensery.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    step: int,
    goes_on_with: int,
):
    monkeypatch.setattr(driver, "CHECKPOINT_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt, match="condensery resume"):
        a_run("digits", tmp_path / "run", progress=Interrupting(task, step))
    stopped = condensery.Run(tmp_path / "run")
    assert ("not finished" if task == "condense" else "not evaluated yet") in repr(stopped)
    events: list[Event] = []
    resumed = condensery.resume(stopped.path, progress=events.append)
    assert condensed_bytes(resumed) == condensed_bytes(whole)
    assert [replace(x, seconds=0) for x in resumed.observations] == [
        replace(x, seconds=0) for x in whole.observations
    ]
    first = next(event for event in events if event.kind == "step")
    assert (first.task, first.done) == (task, goes_on_with)


def test_images_in_memory_are_given_again_to_resume(tmp_path: Path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    labels = np.arange(40) % 2
    with pytest.raises(KeyboardInterrupt):
        a_run((images, labels), tmp_path / "run", progress=Interrupting("condense", 3))
    assert condensery.Run(tmp_path / "run").facts["source"] is None
    with pytest.raises(ArtifactError, match=r"images in memory.*resume\('.*run', data="):
        condensery.resume(tmp_path / "run")
    with pytest.raises(ArtifactError, match="fingerprint"):
        condensery.resume(tmp_path / "run", data=(images[::-1].copy(), labels))
    resumed = condensery.resume(tmp_path / "run", data=(images, labels))
    same = a_run(condensery.load_data((images, labels)), tmp_path / "same")
    assert condensed_bytes(resumed) == condensed_bytes(same)
    np.savez(tmp_path / "moved.npz", images=images, labels=labels)
    (tmp_path / "run" / "report.html").unlink()
    assert condensery.resume(tmp_path / "run", data=tmp_path / "moved.npz").report.exists()


def test_data_that_was_loaded_before_remembers_where_it_came_from(tmp_path: Path):
    data = condensery.load_data("digits", image_size=10)
    with pytest.raises(KeyboardInterrupt):
        a_run(data, tmp_path / "run", progress=Interrupting("condense", 3))
    resumed = condensery.resume(tmp_path / "run")
    assert condensed_bytes(resumed) == condensed_bytes(a_run(data, tmp_path / "whole"))


def test_a_source_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = condensery.load_data("digits").train
    few = np.concatenate([data.of_class(class_)[:20].numpy() for class_ in range(10)])
    (tmp_path / "here").mkdir()
    images, labels = data.images[few].numpy(), data.labels[few].numpy()
    np.savez(tmp_path / "here" / "few.npz", images=images, labels=labels)
    monkeypatch.chdir(tmp_path / "here")
    run = a_run(DataSource(data=("few.npz",), folder="."), tmp_path / "a", evaluation=False)
    by_path = a_run(Path("few.npz"), tmp_path / "b", evaluation=False)
    assert condensed_bytes(run) == condensed_bytes(by_path)
    monkeypatch.chdir(tmp_path)
    (by_path.path / "report.html").unlink()
    assert condensery.resume(by_path.path).report.exists()


def test_a_budget_ends_a_run_and_a_larger_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seconds = itertools.count()  # one whenever the time is read
    clock = types.SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(driver, "time", clock)
    long = LENGTH | {"iterations": 50, "schedule.steps": 0}
    run = a_run("digits", tmp_path / "run", settings=long, time_budget=20, evaluation=False)
    assert run.outcome is not None
    assert "ended by its time budget" in repr(run)
    done = run.outcome["iterations"]
    assert 0 < done < 20
    again = condensery.resume(run.path, time_budget="40s")
    assert again.outcome is not None
    assert done < again.outcome["iterations"] < 40
    assert again.facts["time_budget"] == 40


def test_settings_change_a_run_that_is_not_complete(whole: condensery.Run, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        a_run("digits", tmp_path / "run", progress=Interrupting("condense", 3))
    run = condensery.resume(tmp_path / "run", settings={"update.lr": 0.5})
    assert condensed_bytes(run) != condensed_bytes(whole)
    changes = json.loads((run.path / "recipe.json").read_text())["changes"]
    assert [change["set"] for change in changes] == [{"update.lr": 0.5}]
    with pytest.raises(ConfigError, match=r"complete, so --set \(settings=\)"):
        condensery.resume(run.path, settings={"update.lr": 0.4})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"time_budget": 0}, "time_budget = 0"),
        ({"time_budget": "soon"}, "write 90s, 10m"),
        ({"patience": 0}, "patience = 0"),
        ({"threads": 0}, "threads = 0"),
        ({"ipc": 500}, "largest class"),
        ({"evaluation": replace(TESTED, sizes=(3,))}, r"1\.\.2"),
        ({"size_policy": "al"}, "Did you mean 'all'"),
    ],
)
def test_what_cannot_work_is_said_before_the_folder_is_made(
    tmp_path: Path, wrong: dict[str, object], words: str
):
    with pytest.raises(ConfigError, match=words):
        a_run("digits", tmp_path / "run", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_replaced_only_when_asked(tmp_path: Path):
    first = a_run("digits", tmp_path / "run", evaluation=False)
    with pytest.raises(ConfigError, match="holds a run already"):
        a_run("digits", first.path)
    second = a_run("digits", first.path, seed=1, overwrite=True, evaluation=False)
    assert second.facts["seed"] == 1


def test_threads_are_as_before_when_a_run_has_ended(tmp_path: Path):
    import torch

    before = torch.get_num_threads()
    run = a_run("digits", tmp_path / "run", threads=before + 1, evaluation=False)
    assert run.facts["threads"] == before + 1
    assert torch.get_num_threads() == before
