"""What trackers get: read back by TensorBoard where it is installed; stand-ins of the others."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import condensery
from condensery.cli.main import main
from condensery.errors import ConfigError
from condensery.runs import EvaluationPlan, Event, Tracker, evaluate_file

TESTED = EvaluationPlan(sizes=(2,), networks=("convnet2-w4",), seeds=1, steps=2)


def run(out: Path, **more: object) -> condensery.Run:
    given: dict[str, object] = {
        "method": "dm",
        "ipc": 2,
        "preset": "smoke",
        "network": "convnet2-w4",
        "settings": {"iterations": 2, "schedule.inner": 2, "schedule.steps": 1},
        "evaluation": TESTED,
    }
    return condensery.run("digits", out, **(given | more))


class Recorder(Tracker):
    """Keeps everything; fails at a chosen call."""

    def __init__(self, fails: str = "") -> None:
        self.seen: list[tuple[Any, ...]] = []
        self._fails = fails

    def _add(self, *what: object) -> None:
        if what[0] == self._fails:
            raise OSError("no network")
        self.seen.append(what)

    def begin(self, name, folder, facts):
        self._add("begin", name, folder, facts)

    def log(self, values, *, axis, at):
        self._add("log", values, axis, at)

    def picture(self, name, file, *, at):
        self._add("picture", name, file.exists(), at)

    def end(self, *, failed):
        self._add("end", failed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A finished run with trackers; not to be changed."""
    good, bad, said = Recorder(), Recorder("log"), list[str]()

    def listen(event: Event) -> None:
        said.append(event.text)

    done = run(tmp_path_factory.mktemp("tracked") / "RUN", track=[good, bad], progress=listen)
    return SimpleNamespace(run=done, good=good.seen, bad=bad.seen, said=said)


def test_a_run_begins_logs_every_line_of_its_files_and_ends(finished: SimpleNamespace):
    kinds = [each[0] for each in finished.good]
    assert (kinds[0], kinds[-1]) == ("begin", "end")
    assert finished.good[0][1:3] == ("RUN", finished.run.path)
    assert finished.good[0][3]["recipe"]["method"] == "dm"
    assert finished.good[-1] == ("end", False)

    logged = [each[1:] for each in finished.good if each[0] == "log"]
    losses = [(values, at) for values, axis, at in logged if "loss/sum" in values]
    assert [at for _, at in losses] == [1, 2, 3, 4]
    assert [values["loss/sum"] for values, _ in losses] == [x["loss"] for x in finished.run.history]
    distances = [(values, at) for values, _, at in logged if "distance/mean" in values]
    assert [values["distance/mean"] for values, _ in distances] == [
        line["mean"] for line in finished.run.proxy
    ]
    assert distances[-1][1] == 4
    tested = [(values, at) for values, axis, at in logged if axis == "size"]
    assert [(at, list(values.values())) for values, at in tested] == [
        (2, [seen.accuracy]) for seen in finished.run.observations
    ]
    pictures = [each[1:] for each in finished.good if each[0] == "picture"]
    assert pictures == [("images", True, 0), ("images", True, 2), ("images", True, 4)]


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(finished: SimpleNamespace):
    assert [each[0] for each in finished.bad] == ["begin", "picture"]
    assert finished.run.report.exists()
    (notice,) = (text for text in finished.said if "is left out" in text)
    assert "Recorder failed" in notice
    assert "no network" in notice


def test_trackers_do_not_change_the_result(finished: SimpleNamespace, tmp_path: Path):
    plain = run(tmp_path / "RUN", evaluation=False)
    assert plain.history == [
        {**mine, "seconds": other["seconds"], "time": other["time"]}
        for mine, other in zip(finished.run.history, plain.history, strict=True)
    ]


def test_an_interruption_ends_a_tracker_as_failed_and_resume_begins_again(tmp_path: Path):
    def interrupt(event: Event) -> None:
        if (event.kind, event.done) == ("step", 2):
            raise KeyboardInterrupt

    first, second = Recorder(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "RUN", track=first, progress=interrupt)
    condensery.resume(tmp_path / "RUN", track=second)

    assert first.seen[-1] == ("end", True)
    assert second.seen[-1] == ("end", False)
    assert first.seen[0][3]["created"] == second.seen[0][3]["created"]
    steps = [each[3] for each in second.seen if each[0] == "log" and "loss/sum" in each[1]]
    assert steps[-1] == 4


def test_what_is_no_tracker_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(ConfigError, match="Did you mean 'wandb'"):
        run(tmp_path / "RUN", track="wandv:me")
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(ConfigError, match=r"pip install 'condensery\[trackio\]'"):
        run(tmp_path / "RUN", track="trackio")
    assert not (tmp_path / "RUN").exists()
    assert main(["evaluate", "x.safetensors", "--data", "digits", "--track", "nothing"]) == 2
    assert "known are tensorboard, wandb, mlflow, trackio" in capsys.readouterr().err


class StandIn(ModuleType):
    """A module whose functions note their calls."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*given: Any, **named: Any) -> Any:
            self.calls.append((name, given, named))
            return None if name == "active_run" else self

        return call

    def of(self, name: str) -> list[Any]:
        return [(*given, named) if named else given for n, given, named in self.calls if n == name]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch):
    def make(name: str) -> StandIn:
        module = StandIn(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


@pytest.fixture
def tracked(finished: SimpleNamespace, stand_in: Any):
    """Evaluates the file of a run with a stand-in of a tracker."""

    def track(word: str) -> StandIn:
        module = stand_in(word.partition(":")[0])
        file = finished.run.path / "condensed.safetensors"
        evaluate_file(file, "digits", evaluation=TESTED, save=False, track=word)
        return module

    return track


ACCURACY = "accuracy/condensed/convnet2-w4, dsa, seed 0"


def test_wandb_gets_its_own_axis_because_its_steps_must_not_fall(tracked: Any):
    wandb = tracked("wandb:mine")
    ((init,),) = wandb.of("init")
    assert (init["project"], init["name"], init["resume"]) == ("mine", "condensed", "allow")
    assert init["config"]["data"]["name"] == "digits"
    assert (ACCURACY, {"step_metric": "size"}) in wandb.of("define_metric")
    assert [each[0]["size"] for each in wandb.of("log")] == [2, 2]
    assert ACCURACY in wandb.of("log")[0][0]
    assert wandb.of("finish") == [({"exit_code": 0},)]


def test_mlflow_gets_parameters_on_one_level_and_metrics_at_their_steps(tracked: Any):
    mlflow = tracked("mlflow")
    assert mlflow.of("set_experiment") == [("condensery",)]
    assert mlflow.of("start_run") == [({"run_name": "condensed", "nested": False},)]
    ((parameters,),) = mlflow.of("log_params")
    assert parameters["data.name"] == "digits"
    assert all(isinstance(v, str | int | float | None) for v in parameters.values())
    assert [each[1] for each in mlflow.of("log_metrics")] == [{"step": 2}] * 2
    assert mlflow.of("end_run") == [("FINISHED",)]


def test_trackio_gets_a_run_that_can_be_continued(tracked: Any):
    trackio = tracked("trackio:mine")
    ((init,),) = trackio.of("init")
    assert (init["project"], init["resume"]) == ("mine", "allow")
    assert init["name"].startswith("condensed-")
    assert [each[0]["size"] for each in trackio.of("log")] == [2, 2]
    assert trackio.of("finish") == [()]


def test_tensorboard_reads_back_the_numbers_and_pictures_of_a_run(tmp_path: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = run(tmp_path / "RUN", track="tensorboard")

    events = EventAccumulator(str(tmp_path / "RUN" / "tensorboard"))
    events.Reload()
    losses = events.Scalars("loss/sum")
    assert [each.step for each in losses] == [1, 2, 3, 4]
    assert [each.value for each in losses] == pytest.approx([x["loss"] for x in done.history])
    assert [each.step for each in events.Scalars(ACCURACY)] == [2]
    assert [each.step for each in events.Images("images")] == [0, 2, 4]
