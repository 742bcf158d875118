"""The proxy in a run: when it is measured, what it says, and that it changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import condensery
from condensery.evaluation import PrefixLosses, Proxy
from condensery.runs.listener import Event, Reporter
from condensery.runs.monitor import Monitor, proxy_line


@pytest.fixture(scope="module")
def digits():
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c)[:20] for c in range(2)])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1")
    )


def begun(digits, iterations=4, **more):
    settings = {"iterations": str(iterations), "schedule.inner": "1", "schedule.steps": "0"}
    return condensery.condense(
        digits,
        method="dm",
        ipc=2,
        preset="smoke",
        network="convnet2-w4",
        settings=settings | more,
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Monitored(Monitor):
    """A monitor, and the notices that it gave."""

    def __init__(self, path, run, *, patience):
        events: list[Event] = []
        super().__init__(path, run, patience=patience, reporter=Reporter(events.append))
        self.events = events

    @property
    def notices(self) -> list[str]:
        return [str(event) for event in self.events]


def drive(run, monitor, elapsed=1e9):
    for progress in run:
        if progress.boundary:
            monitor.boundary(run, elapsed)
            if monitor.exhausted:
                break
    return run


def test_measuring_a_run_changes_none_of_its_bits(digits, tmp_path):
    alone = begun(digits)
    for _ in alone:
        pass
    state = torch.random.get_rng_state()
    with Monitored(tmp_path / "proxy.jsonl", begun(digits), patience=3) as monitor:
        watched = drive(begun(digits), monitor)
    assert torch.equal(torch.random.get_rng_state(), state)
    found, expected = (run.state.tensors() for run in (watched, alone))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert len(lines(tmp_path / "proxy.jsonl")) == 4


def test_a_line_says_what_the_proxy_found(digits, tmp_path):
    path, run = tmp_path / "proxy.jsonl", begun(digits)
    with Monitored(path, run, patience=None) as monitor:
        drive(run, monitor)
        monitor.end(run, beyond=0)
    found = lines(path)
    assert [line["outer"] for line in found] == [1, 2, 3, 4]
    measure = Proxy(digits, "convnet2-w4")(run.recipe.parameterization.decode(run.state.stored))
    assert found[-1]["mean"] == pytest.approx(measure.mean, rel=1e-4)
    assert found[-1]["loss"] == pytest.approx(list(measure.loss), rel=1e-4)
    said = proxy_line(path)
    assert said is not None
    assert f"1: {measure.relative[0]:.3f}, 2: {measure.relative[1]:.3f}" in said
    assert proxy_line(tmp_path / "nothing.jsonl") is None


def test_a_line_has_the_cpu_seconds_where_they_are_given(digits, tmp_path):
    path, run = tmp_path / "proxy.jsonl", begun(digits, iterations=2)
    with Monitored(path, run, patience=None) as monitor:
        for progress in run:
            if progress.boundary and progress.state.outer == 1:
                monitor.boundary(run, 1e9, cpu=1.5)
        monitor.end(run, beyond=0)
    assert [line.get("cpu") for line in lines(path)] == [1.5, None]


def test_a_long_run_is_measured_twenty_times(digits, tmp_path):
    path, run = tmp_path / "proxy.jsonl", begun(digits, iterations=60)
    with Monitored(path, run, patience=None) as monitor:
        drive(run, monitor)
    assert [line["outer"] for line in lines(path)] == list(range(3, 61, 3))


def test_measures_that_would_cost_too_much_are_left_out_but_not_the_first_and_the_last(
    digits, tmp_path
):
    path, run = tmp_path / "proxy.jsonl", begun(digits)
    with Monitored(path, run, patience=None) as monitor:
        drive(run, monitor, elapsed=1e-9)
        monitor.end(run, beyond=0)
    assert [(line["outer"], line["end"]) for line in lines(path)] == [(1, False), (4, True)]


def test_with_patience_no_measure_is_left_out(digits, tmp_path):
    path, run = tmp_path / "proxy.jsonl", begun(digits)
    with Monitored(path, run, patience=9) as monitor:
        drive(run, monitor, elapsed=1e-9)
    assert len(lines(path)) == 4


def test_a_run_that_gets_no_better_is_exhausted_after_its_patience(digits, tmp_path, monkeypatch):
    means = iter([3.0, 2.0, 2.5, 2.1, 2.0, 1.0])

    def found(self, examples):
        return PrefixLosses(loss=(next(means),), random=(1.0,))

    monkeypatch.setattr(Proxy, "__call__", found)
    path, run = tmp_path / "proxy.jsonl", begun(digits, iterations=6)
    with Monitored(path, run, patience=3) as monitor:
        drive(run, monitor)
        assert monitor.exhausted
    assert run.state.outer == 5  # the second was the best, and three came after it


def test_a_run_that_goes_on_keeps_the_measures_before_and_their_best(digits, tmp_path):
    path, whole = tmp_path / "whole.jsonl", begun(digits)
    with Monitored(path, whole, patience=9) as monitor:
        drive(whole, monitor)
    expected = [(line["outer"], line["mean"]) for line in lines(path)]
    path, run = tmp_path / "proxy.jsonl", begun(digits)
    with Monitored(path, run, patience=9) as monitor:
        for progress in run:
            if progress.boundary:
                monitor.boundary(run, 1e9)
                if progress.state.outer == 2:
                    half = progress.state
                if progress.state.outer == 3:
                    break
        monitor.end(run, beyond=1)
    again = begun(digits)
    again = type(again)(again.recipe, digits, seed=0, state=half)
    with Monitored(path, again, patience=9) as monitor:
        drive(again, monitor)
    assert [(line["outer"], line["mean"]) for line in lines(path)] == expected


class Featureless(nn.Module):
    """No ``nn.Linear`` and no method ``features``."""

    def __init__(self, *, channels, classes, side):
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, side)

    def forward(self, images):
        return self.conv(images).flatten(1)


def test_a_network_without_features_is_said_once_and_the_run_goes_on(digits, tmp_path):
    path = tmp_path / "proxy.jsonl"
    run = begun(digits, objective="gradient")
    run.recipe = replace(run.recipe, network=f"{__name__}:Featureless")
    with Monitored(path, run, patience=1) as monitor:
        run.state = replace(run.state, outer=1)
        monitor.boundary(run, 1.0)
        monitor.end(run, beyond=0)
        assert not monitor.exhausted
    (notice,) = monitor.notices
    assert "not measured" in notice
    assert lines(path) == []


def test_images_that_are_all_alike_are_said_once_and_the_run_goes_on(digits, tmp_path):
    path = tmp_path / "proxy.jsonl"
    alike = replace(digits, images=torch.full_like(digits.images, 90))
    with Monitored(path, begun(alike), patience=1) as monitor:
        drive(begun(alike), monitor)
        monitor.end(begun(alike), beyond=0)
        assert not monitor.exhausted
    (notice,) = monitor.notices
    assert "not measured during the run: the real images of each class" in notice
    assert lines(path) == []
    assert proxy_line(path) is None
