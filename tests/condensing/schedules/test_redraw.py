"""A fresh network every outer iteration, trained on real data between image updates."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

import condensery
from condensery.condensing.schedules import Redraw, RunContext
from condensery.engines.fused.blocks import EAGER, Blocks
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.parallel import overlap
from condensery.training import SGDTraining


@pytest.fixture(scope="module")
def world():
    data = condensery.load_data("digits").train
    make = partial(build, "convnet2-w4", channels=1, classes=10, side=(8, 8), seed=3)
    return RunContext(
        data=data,
        network=lambda *path: make(path=path),
        synthetic=lambda: pytest.fail("read"),
        seed=3,
    )


def weights(network):
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def seen(schedule, outer, world):
    return [(moment.at, weights(moment.network)) for moment in schedule.contexts(outer, world)]


TRAINING = SGDTraining(batch=16)


def test_there_are_as_many_moments_as_asked_named_by_their_iteration(world):
    schedule = Redraw(inner=3, steps=0, training=TRAINING)
    assert [at for at, _ in seen(schedule, 5, world)] == [(5, 0), (5, 1), (5, 2)]


def test_a_network_is_fresh_at_first_and_trained_between_the_moments(world):
    moments = seen(Redraw(inner=3, steps=2, training=TRAINING), 1, world)
    drawn = weights(world.network("network", 1))
    assert torch.equal(moments[0][1], drawn)
    assert not torch.equal(moments[1][1], drawn)
    assert not torch.equal(moments[2][1], moments[1][1])


def test_without_steps_the_network_stays_as_it_was_drawn(world):
    moments = seen(Redraw(inner=3, steps=0, training=TRAINING), 0, world)
    assert all(torch.equal(own, moments[0][1]) for _, own in moments)


def test_pretraining_comes_before_the_first_moment_alone(world):
    drawn = weights(world.network("network", 0))
    moments = seen(Redraw(inner=2, steps=0, pretrain=2, training=TRAINING), 0, world)
    assert not torch.equal(moments[0][1], drawn)
    assert torch.equal(moments[1][1], moments[0][1])


def test_every_outer_iteration_has_another_network_and_the_same_one_when_asked_again(world):
    schedule = Redraw(inner=2, steps=1, training=TRAINING)
    one, again, other = (seen(schedule, outer, world) for outer in (4, 4, 5))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, again, strict=True))
    assert not torch.equal(one[0][1], other[0][1])


def test_training_lowers_the_loss_of_the_network(world):
    schedule = Redraw(inner=2, steps=40, training=SGDTraining(batch=64, lr=0.1, cutmix=0.0))
    index = torch.arange(200)
    images = world.data.normalise(world.data.pixels(index))
    losses = []
    for moment in schedule.contexts(0, world):
        with torch.no_grad():
            logits = moment.network(images)
        losses.append(torch.nn.functional.cross_entropy(logits, world.data.labels[index]).item())
    assert losses[1] < 0.8 * losses[0]


@pytest.fixture
def compiled(world, monkeypatch):
    """A world that compiles, where compiling leaves everything as it is."""
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    return replace(world, compiled=True)


SCHEDULE = Redraw(inner=3, steps=2, pretrain=1, training=TRAINING)


def test_a_network_of_known_layers_may_be_trained_in_the_background(compiled):
    expected = seen(SCHEDULE, 0, compiled)
    found = []
    for moment in SCHEDULE.contexts(0, compiled):
        if moment.background is not None:
            moment.background()
        found.append((moment.at, weights(moment.network)))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, expected, strict=True))


def test_in_the_background_on_two_threads_the_bits_are_those_of_one_thread(compiled, threads):
    schedule = replace(SCHEDULE, pretrain=0)  # that is not in the background
    threads(1)
    expected = seen(schedule, 0, compiled)
    threads(2)
    found = []
    for moment in schedule.contexts(0, compiled):
        with overlap(moment.background):
            found.append((moment.at, weights(moment.network)))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, expected, strict=True))


def test_there_is_nothing_to_do_after_the_last_moment_or_without_steps(compiled):
    def has(schedule):
        return [moment.background is not None for moment in schedule.contexts(0, compiled)]

    assert has(SCHEDULE) == [True, True, False]
    assert has(replace(SCHEDULE, steps=0)) == [False, False, False]


def test_a_network_that_is_called_while_it_is_trained_is_not_trained_in_the_background(
    world, compiled, monkeypatch
):
    def broken(*_):
        raise RuntimeError("no compiler here")

    assert all(moment.background is None for moment in SCHEDULE.contexts(0, world))
    monkeypatch.setattr(
        "condensery.engines.fused.sweep.compiled_blocks", lambda: Blocks(lambda do: broken)
    )
    later = [moment.background is not None for moment in SCHEDULE.contexts(0, compiled)]
    assert later == [False, False, False]  # pretraining has failed already


def test_a_number_that_cannot_work_is_refused(each):
    for name, value in each([("inner", 0), ("steps", -1), ("pretrain", -1)]):
        with pytest.raises(ConfigError, match=rf"schedule\.{name} = {value}"):
            Redraw(**{name: value})
