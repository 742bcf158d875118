"""Starts and ends of experts' ways, one a moment."""

from __future__ import annotations

from functools import partial

import pytest
import torch

import condensery
from condensery import experts
from condensery.augment import Identity
from condensery.condensing.schedules import RunContext
from condensery.condensing.schedules.experts import Experts
from condensery.errors import ConfigError
from condensery.experts import Buffer, ExpertTraining
from condensery.networks import build
from condensery.training import SGDTraining

TRAINING = SGDTraining(batch=64, momentum=0.0, augment=Identity(), cutmix=0.0)
SHORT = Experts(trajectories=2, span=2, max_start_epoch=3, steps=2, training=TRAINING, seed=5)


@pytest.fixture(scope="module")
def data():
    return condensery.load_data("digits").train


@pytest.fixture
def world(data):
    make = partial(build, "convnet2-w4", channels=1, classes=10, side=(8, 8), seed=3)
    return RunContext(
        data=data,
        network=lambda *path: make(path=path),
        synthetic=lambda: pytest.fail("read"),
        seed=3,
        architecture="convnet2-w4",
    )


def the_moment(schedule, outer, world):
    (moment,) = schedule.contexts(outer, world)
    return moment


def test_every_moment_is_a_start_of_an_expert_and_its_target_a_span_later(data, world):
    training = ExpertTraining(network="convnet2-w4", training=TRAINING, steps=2, seed=5)
    known = Buffer(training, data, None)
    list(known.make(range(2), 4))
    found = set()
    for outer in range(30):
        moment = the_moment(SHORT, outer, world)
        assert moment.at == (outer, 0)
        assert moment.seed == 3
        own = moment.network.classifier.weight
        ((expert, start),) = [
            (expert, start)
            for expert in (0, 1)
            for start in range(5)
            if torch.equal(known.snapshots(expert, start)[0]["classifier.weight"], own)
        ]
        (target,) = known.snapshots(expert, start + 2)
        assert sorted(moment.target) == sorted(target)
        assert all(torch.equal(moment.target[name], target[name]) for name in target)
        found.add((expert, start))
    assert found == {(expert, start) for expert in (0, 1) for start in (0, 1, 2)}


def test_a_moment_depends_on_its_number_alone(world):
    one, again, other = (
        the_moment(SHORT, outer, world).network.classifier.weight for outer in (7, 7, 8)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_folder_gives_the_bits_that_the_memory_gives_and_trains_only_who_is_drawn(
    world, tmp_path
):
    kept = Experts(
        trajectories=50,
        span=2,
        max_start_epoch=3,
        steps=2,
        training=TRAINING,
        buffer=str(tmp_path / "new"),
    )
    free = Experts(trajectories=50, span=2, max_start_epoch=3, steps=2, training=TRAINING)
    for outer in (0, 1):
        a, b = (the_moment(schedule, outer, world) for schedule in (kept, free))
        assert torch.equal(a.network.classifier.weight, b.network.classifier.weight)
        assert torch.equal(a.target["classifier.weight"], b.target["classifier.weight"])
    assert 1 <= len([each for each in (tmp_path / "new").iterdir() if each.is_dir()]) <= 2


def test_the_network_is_free_to_be_differentiated_and_the_target_is_not_part_of_it(world):
    moment = the_moment(SHORT, 0, world)
    assert all(p.requires_grad for p in moment.network.parameters())
    assert not any(p.requires_grad for p in moment.target.values())


def test_no_expert_is_trained_longer_than_its_latest_target():
    assert SHORT.length == 4
    assert Experts(max_start_epoch=20, span=2).length == 21
    assert SHORT.updates == 1


def test_too_many_experts_for_the_memory_are_refused_before_any_is_trained(world, monkeypatch):
    monkeypatch.setattr(experts.buffer, "MOST_IN_MEMORY", 1000)
    monkeypatch.setattr(ExpertTraining, "after", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ConfigError, match=r"schedule\.buffer"):
        the_moment(SHORT, 0, world)


def test_a_number_that_cannot_work_is_refused(each):
    for name, value in each(
        [("trajectories", 0), ("span", 0), ("max_start_epoch", 0), ("steps", -1), ("seed", -1)]
    ):
        with pytest.raises(ConfigError, match=rf"schedule\.{name} = {value}"):
            Experts(**{name: value})
