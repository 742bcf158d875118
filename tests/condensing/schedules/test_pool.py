"""The pool: who is drawn, what a network has learned when it is looked at, and when it goes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

import condensery
from condensery.augment import Identity
from condensery.condensing.schedules import Pool, RunContext
from condensery.errors import ConfigError
from condensery.networks import build, mixes_examples
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, batches
from condensery.types import Examples

PLAIN = SGDTraining(batch=4, lr=0.1, momentum=0, weight_decay=0, augment=Identity(), cutmix=0)


class Synthetic:
    """Six examples that are other ones every time they are read."""

    def __init__(self):
        self.reads = 0

    def __call__(self):
        rng = stream(self.reads, "synthetic")
        self.reads += 1
        labels = torch.arange(6) % 3
        images = torch.rand(6, 1, 8, 8, generator=rng).requires_grad_()
        return Examples(images=images, labels=labels, class_=labels, rank=torch.arange(6) // 3)


def world_of(network="convnet2-w4", synthetic=None):
    make = partial(build, network, channels=1, classes=10, side=(8, 8), seed=3)
    return RunContext(
        data=condensery.load_data("digits").train,
        network=lambda *path: make(path=path),
        synthetic=Synthetic() if synthetic is None else synthetic,
        seed=3,
    )


def weights(network):
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def seen(schedule, outer=0, world=None):
    """``(place, network, weights)`` at every moment."""
    moments = schedule.contexts(outer, world_of() if world is None else world)
    found = [(moment.at, moment.network, weights(moment.network)) for moment in moments]
    assert [at for at, _, _ in found] == [(outer, inner) for inner in range(schedule.inner)]
    rolled = [
        int(torch.randint(schedule.networks, (), generator=stream(3, "pool", outer, inner)))
        for inner in range(schedule.inner)
    ]
    return [(place, *rest) for place, (_, *rest) in zip(rolled, found, strict=True)]


def lives(schedule):
    """``{place: [how often each of its networks was looked at]}``, in order."""
    counts = {}
    for place, network, _ in seen(schedule):
        own = counts.setdefault(place, [])
        if not own or own[-1][0] is not network:
            own.append([network, 0])
        own[-1][1] += 1
    return {place: [count for _, count in own] for place, own in counts.items()}


def test_its_defaults_are_the_papers_pool():
    assert (Pool().networks, Pool().oldest) == (10, 100)
    assert Pool.reads_synthetic


def test_a_network_is_looked_at_at_every_age_and_then_replaced():
    """Except in a first life, which begins older by a third of three for every place."""
    found = lives(Pool(networks=3, oldest=3, inner=60, training=PLAIN))
    assert sorted(found) == [0, 1, 2]
    for place, counts in found.items():
        assert counts[0] == 4 - place  # ages `place` to 3
        assert set(counts[1:-1]) == {4}  # ages 0 to 3
        assert len(counts) > 2


def test_a_pool_of_no_age_draws_a_fresh_network_every_time():
    world = world_of()
    found = seen(Pool(networks=2, oldest=0, inner=4), world=world)
    for inner, (_, _, own) in enumerate(found):
        assert torch.equal(own, weights(world.network("network", 0, inner)))
    assert world.synthetic.reads == 0


def test_a_step_is_one_batch_of_the_set_as_the_update_left_it():
    """Written out: a pool of one, two steps of SGD on normalised images."""
    world = world_of()
    found = seen(Pool(networks=1, oldest=9, inner=3, training=PLAIN), 1, world)
    assert world.synthetic.reads == 2  # and none after the last update
    network, again = world.network("network", 1, 0), Synthetic()
    assert torch.equal(found[0][2], weights(network))
    for inner in range(2):
        examples = again()
        own = next(batches(6, 4, rng=stream(3, "order", 1, inner)))
        images = world.data.normalise(examples.images.detach()[own])
        loss = torch.nn.functional.cross_entropy(network(images), examples.labels[own])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for p, g in zip(network.parameters(), gradients, strict=True):
                p -= 0.1 * g
        assert torch.allclose(found[inner + 1][2], weights(network), atol=1e-6)


def test_momentum_is_that_of_the_network_and_not_of_its_place():
    momentum = replace(PLAIN, momentum=0.9)
    found = seen(Pool(networks=1, oldest=2, inner=6, training=momentum))
    plain = seen(Pool(networks=1, oldest=2, inner=6, training=PLAIN))
    same = [torch.equal(a, b) for (_, _, a), (_, _, b) in zip(found, plain, strict=True)]
    # fresh, first step, second step; twice
    assert same == [True, True, False] * 2


def test_only_the_network_that_was_looked_at_takes_a_step():
    known, before, previous = {}, {}, None
    for moment in Pool(networks=3, oldest=50, inner=20, training=PLAIN).contexts(0, world_of()):
        for name, network in known.items():
            assert torch.equal(weights(network), before[name]) == (name != previous)
        known[id(moment.network)] = moment.network
        before = {name: weights(network) for name, network in known.items()}
        previous = id(moment.network)
    assert len(known) == 3


def test_learned_labels_are_trained_on_without_a_gradient():
    class Soft(Synthetic):
        def __call__(self):
            found = super().__call__()
            labels = torch.nn.functional.one_hot(found.labels, 10).float().requires_grad_()
            return replace(found, labels=labels)

    hard, soft = (
        seen(Pool(networks=2, inner=5, training=PLAIN), world=world_of(synthetic=own))
        for own in (Synthetic(), Soft())
    )
    assert torch.allclose(hard[-1][2], soft[-1][2], atol=1e-6)


def test_every_outer_iteration_is_the_same_when_asked_again_and_another_one_else():
    schedule = Pool(networks=2, oldest=2, inner=6)
    one, again, other = (seen(schedule, outer) for outer in (4, 4, 5))
    assert all(torch.equal(a, b) for (_, _, a), (_, _, b) in zip(one, again, strict=True))
    assert not torch.equal(one[0][2], other[0][2])


def test_batch_norm_mixes_nothing_when_looked_at_and_is_trained_as_usual(monkeypatch):
    modes = []
    original = Trainer.step

    def noted(self, *given, **named):
        modes.append(all(m.training for m in self.network.modules()))
        return original(self, *given, **named)

    monkeypatch.setattr(Trainer, "step", noted)
    pool = Pool(networks=1, inner=3, training=PLAIN)
    for moment in pool.contexts(0, world_of("convnet2-w4-bn")):
        assert mixes_examples(moment.network) is None
    assert modes == [True, True]


def test_a_number_that_cannot_work_is_refused(each):
    for name, value in each([("networks", 0), ("oldest", -1), ("inner", 0)]):
        with pytest.raises(ConfigError, match=rf"schedule\.{name} = {value}"):
            Pool(**{name: value})
