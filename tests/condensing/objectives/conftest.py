"""A small network, real and synthetic examples of two unequal classes, in float64."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from condensery.engines import OnePass
from condensery.networks import build
from condensery.rng import stream
from condensery.types import Examples, StepContext, nested


def _network(seed):
    return build("convnet2-w4", channels=3, classes=2, side=(8, 8), seed=seed, path=("t",)).double()


def _examples(classes, ranks, seed):
    class_ = torch.tensor(classes)
    images = torch.rand(len(class_), 3, 8, 8, generator=stream(seed), dtype=torch.float64)
    return Examples(images=images, labels=class_, class_=class_, rank=torch.tensor(ranks))


@pytest.fixture
def tiny():
    """Sets of sizes 3 and 1 of each class; class 0 has three ranks of two examples, class 1 two."""
    real = _examples([1, 0, 1, 1, 0], [0] * 5, 0)
    synthetic = _examples([0, 1, 0, 1, 0, 0, 0, 0], [2, 0, 0, 1, 1, 0, 1, 2], 1)
    groups = nested(synthetic, torch.tensor([[3, 3], [1, 1]]), all_classes=False)
    net, expert = _network(0), _network(1)
    target = {name: p.detach() for name, p in expert.named_parameters()}

    def bind(objective, *, inner=0, target=None, engine=OnePass(), outer=0):  # noqa: B008
        context = StepContext(at=(outer, inner), network=net, seed=5, target=target)
        return objective.bind(
            context, real, lambda given: given.images * 3, engine=engine, classes_per_pass=1
        )

    def features(given, network=net):
        return network.features(given.images * 3).flatten(1).detach()

    return SimpleNamespace(
        real=real, synthetic=synthetic, groups=groups, network=net, expert=expert, target=target,
        bind=bind, features=features,
        # of every group: real rows, synthetic rows, by hand
        sets=[
            ([1, 4], [0, 2, 4, 5, 6, 7]), ([0, 2, 3], [1, 3]), ([1, 4], [2, 5]), ([0, 2, 3], [1]),
        ],
    )  # fmt: skip
