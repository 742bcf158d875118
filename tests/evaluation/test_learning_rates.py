"""A network may have its own learning rate, which is a part of its name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from condensery.data import load_data
from condensery.errors import ConfigError
from condensery.evaluation import evaluate
from condensery.selection import select


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def plan(digits, *networks, **options):
    condensed = select(digits.train, by="first", ipc=1)
    return evaluate(condensed, digits, networks=networks, seeds=1, steps=3, baselines=(), **options)


def test_a_network_is_trained_with_its_own_learning_rate(digits):
    plain, slow, usual = plan(digits, "mlp", "mlp@0.0001", "mlp@0.01").planned
    assert [x.protocol.training.lr for x in (plain, slow, usual)] == [0.01, 0.0001, 0.01]
    assert [x.name for x in (plain, slow, usual)] == ["mlp", "mlp@0.0001", "mlp@0.01"]
    assert plain.fingerprint == usual.fingerprint != slow.fingerprint
    assert plain.run(compiled=False) == usual.run(compiled=False) != slow.run(compiled=False)
    whole = plan(digits, "mlp@0.0001", whole=2).planned[-1]
    assert whole.protocol.training.lr == 0.0001


def test_a_learning_rate_that_cannot_work_is_refused(each, digits):
    for network, words in each(
        [
            ("mlp@fast", r"'fast' is no learning rate.*NETWORK@RATE"),
            ("mlp@0", "must be a number above 0"),
            ("mlp@nan", "must be a number above 0"),
            ("mpl@0.1", "Did you mean 'mlp'"),
        ]
    ):
        with pytest.raises(ConfigError, match=words):
            plan(digits, network)


def with_dropout(*, channels, classes, side):
    return nn.Sequential(
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(channels * side[0] * side[1], classes)
    )


def test_what_dropout_draws_is_decided_by_the_seed(digits):
    (trial,) = plan(digits, with_dropout).planned
    first = trial.run(compiled=False)
    state = torch.random.get_rng_state()
    nn.Dropout(0.5)(torch.ones(3))
    moved = torch.random.get_rng_state()
    assert not torch.equal(moved, state)
    assert trial.run(compiled=False) == first
    assert torch.equal(torch.random.get_rng_state(), moved)
