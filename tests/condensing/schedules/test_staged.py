"""Snapshots of experts and their targets a window later."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch

import condensery
from condensery.augment import Identity
from condensery.condensing.schedules import RunContext, Staged
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.training import SGDTraining

TRAINING = SGDTraining(batch=32, lr=0.1, augment=Identity(), cutmix=0.0)
SHORT = Staged(trajectories=2, epochs=4, steps=1, window=3, training=TRAINING, seed=5)


@pytest.fixture(scope="module")
def run():
    make = partial(build, "convnet1-w2", channels=1, classes=10, side=(8, 8), seed=3)
    return RunContext(
        data=condensery.load_data("digits").train,
        network=lambda *path: make(path=path),
        synthetic=lambda: pytest.fail("read"),
        seed=3,
        architecture="convnet1-w2",
    )


def drawn(schedule, run, outers):
    """``(expert, stage, stage of the target)`` of every iteration."""
    experts = schedule.experts(run.data, network=run.architecture)
    known = {
        index: experts.snapshots(index, *range(schedule.epochs + 1))
        for index in range(schedule.trajectories)
    }
    for outer in outers:
        (context,) = schedule.contexts(outer, run)
        own = dict(context.network.named_parameters())
        at = [
            (index, stage)
            for index, snapshots in known.items()
            for stage, kept in enumerate(snapshots)
            if all(torch.equal(kept[name], own[name]) for name in own)
        ]
        later = [
            (index, stage)
            for index, snapshots in known.items()
            for stage, kept in enumerate(snapshots)
            if all(torch.equal(kept[name], context.target[name]) for name in own)
        ]
        ((index, stage),), ((same, end),) = at, later
        assert same == index
        yield index, stage, end


def test_stage_and_target_are_uniform_within_the_way_and_the_window(run):
    found = Counter(drawn(SHORT, run, range(300)))
    assert {index for index, _, _ in found} == {0, 1}
    pairs = Counter[tuple[int, int]]()
    for (_, stage, end), count in found.items():
        pairs[stage, end] += count
    assert set(pairs) == {(s, e) for s in range(5) for e in range(s, min(s + 2, 4) + 1)}
    assert pairs[4, 4] > 30  # always, where the stage is the last of five; expected 60
    assert pairs[0, 0] < 40  # one of three, expected 20


def test_a_window_of_one_has_the_stage_itself_as_target(run):
    assert all(s == e for _, s, e in drawn(replace(SHORT, window=1), run, range(10)))


def test_no_epoch_leaves_untrained_networks(run):
    none = replace(SHORT, epochs=0, window=1)
    assert {(s, e) for _, s, e in drawn(none, run, range(5))} == {(0, 0)}


def test_a_choice_that_cannot_work_is_refused(each):
    for choice in each([{"trajectories": 0}, {"epochs": -1}, {"window": 0}, {"keep": "ends"}]):
        ((name, value),) = choice.items()
        with pytest.raises(ConfigError, match=rf"schedule\.{name} = {value!r}"):
            Staged(**choice)
