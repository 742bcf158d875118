"""Networks on the line between an untrained network and its trained end."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

import condensery
from condensery.augment import Identity
from condensery.condensing.schedules import Interpolated, Redraw, RunContext
from condensery.errors import ConfigError
from condensery.networks import build, mixes_examples
from condensery.training import SGDTraining

TRAINING = SGDTraining(batch=64, lr=0.1, augment=Identity(), cutmix=0.0)
SHORT = Interpolated(trajectories=2, epochs=2, steps=3, training=TRAINING, seed=5)


@pytest.fixture(scope="module")
def data():
    return condensery.load_data("digits").train


def world(data, name="convnet2-w4"):
    make = partial(build, name, channels=1, classes=10, side=(8, 8), seed=3)
    return RunContext(
        data=data,
        network=lambda *path: make(path=path),
        synthetic=lambda: pytest.fail("read"),
        seed=3,
        architecture=name,
    )


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def flat(parameters, network):
    return torch.cat([parameters[name].flatten() for name, _ in network.named_parameters()])


def test_every_context_lies_on_the_line_of_one_expert_and_its_target_is_the_end(data):
    run = world(data)
    experts = SHORT.experts(data, network="convnet2-w4")
    seen, shares = set(), []
    for outer in range(20):
        (context,) = SHORT.contexts(outer, run)
        own = weights(context.network)
        target = flat(context.target, context.network)
        (index,) = [
            i
            for i in range(2)
            if torch.equal(flat(experts.snapshots(i, 2)[0], context.network), target)
        ]
        start = flat(experts.snapshots(index, 0)[0], context.network)
        share = float((own - target) @ (start - target) / (start - target).square().sum())
        assert torch.allclose(own, share * start + (1 - share) * target, atol=1e-5)
        shares.append(share)
        seen.add(index)
    assert seen == {0, 1}
    assert 0 <= min(shares) < 0.3 < 0.7 < max(shares) <= 1


def test_a_context_depends_on_its_number_alone_and_inner_updates_share_it(data):
    run = world(data)
    (one,), (again,), (other,) = (list(SHORT.contexts(outer, run)) for outer in (7, 7, 8))
    assert torch.equal(weights(one.network), weights(again.network))
    assert not torch.equal(weights(one.network), weights(other.network))
    first, second = replace(SHORT, inner=2).contexts(7, run)
    assert (first.at, second.at) == ((7, 0), (7, 1))
    assert first.network is second.network
    assert torch.equal(weights(first.network), weights(one.network))


def test_an_outer_iteration_has_several_networks_and_counts_its_updates(data):
    schedule = replace(SHORT, networks=3, inner=2)
    found = list(schedule.contexts(1, world(data)))
    assert [context.at for context in found] == [(1, inner) for inner in range(6)]
    assert len(found) == schedule.updates
    assert len({id(context.network) for context in found}) == 3
    assert all(found[n].network is found[n + 1].network for n in (0, 2, 4))


def test_a_fixed_share_is_one_point_of_the_line(data):
    run = world(data)
    experts = SHORT.experts(data, network="convnet2-w4")
    for share, epoch in ((0.0, 2), (1.0, 0)):
        (context,) = replace(SHORT, lowest=share, highest=share).contexts(0, run)
        ends = [flat(experts.snapshots(i, epoch)[0], context.network) for i in range(2)]
        assert any(torch.allclose(weights(context.network), end, atol=1e-6) for end in ends)


def test_without_experts_every_iteration_has_the_network_of_redraw_and_no_target(data):
    run, none = world(data), replace(SHORT, trajectories=0)
    assert none.experts(data, network="convnet2-w4") is None
    assert none.expert_training("convnet2-w4") is None
    assert none.network_training(run, iterations=3, examples=1) is None
    for outer in range(2):
        (own,), (redrawn,) = (s.contexts(outer, run) for s in (none, Redraw(inner=1, steps=0)))
        assert torch.equal(weights(own.network), weights(redrawn.network))
        assert own.target is None


def test_batch_norm_has_the_statistics_of_real_images(data):
    run = world(data, "convnet2-w4-bn")
    (context,) = SHORT.contexts(0, run)
    assert mixes_examples(context.network) is None
    mean = next(b for name, b in context.network.named_buffers() if name.endswith("running_mean"))
    assert mean.abs().max() > 1e-3


def test_a_number_that_cannot_work_is_refused(each):
    for choice in each(
        [{"trajectories": -1}, {"epochs": 0}, {"inner": 0}, {"steps": -1}, {"lowest": -0.1}]
    ):
        ((name, value),) = choice.items()
        with pytest.raises(ConfigError, match=rf"schedule\.{name} = {value}"):
            Interpolated(**choice)
    with pytest.raises(ConfigError, match=r"0 <= lowest <= highest <= 1"):
        Interpolated(lowest=0.7, highest=0.3)
    with pytest.raises(ConfigError, match="known are constant, milestones, cosine"):
        Interpolated(decay="stepwise")


def test_fixed_networks_come_again_and_say_which_they_are(data):
    run, seen, places = world(data), {}, []
    schedule = replace(SHORT, networks=2, fixed=3)
    for outer in range(8):
        for context in schedule.contexts(outer, run):
            places.append(context.place)
            own = weights(context.network)
            assert torch.equal(seen.setdefault(context.place, own), own)
    assert set(places) == {0, 1, 2}
    assert places != sorted(places)
    assert len({tuple(own.tolist()) for own in seen.values()}) == 3
    assert {c.place for c in SHORT.contexts(0, run)} == {None}
