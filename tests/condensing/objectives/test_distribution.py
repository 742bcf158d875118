"""Distribution matching against means written out."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from condensery.condensing.objectives import DistributionMatching
from condensery.engines import Autograd, OnePass
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.rng import stream
from condensery.types import Examples, StepContext, nested


def examples(classes, ranks, seed):
    class_ = torch.tensor(classes)
    images = torch.rand(len(class_), 3, 8, 8, generator=stream(seed), dtype=torch.float64)
    return Examples(images=images, labels=class_, class_=class_, rank=torch.tensor(ranks))


def test_a_loss_is_the_squared_distance_of_mean_features(each):
    for engine, classes_per_pass in each(product([Autograd(), OnePass()], [1, 2])):
        net = build("convnet2-w4", channels=3, classes=2, side=(8, 8), seed=0, path=("t",)).double()
        real = examples([1, 0, 1, 1], [0] * 4, 0)
        synthetic = examples([0, 1, 0, 1, 0], [0, 0, 1, 1, 2], 1)
        match = DistributionMatching().bind(
            StepContext(at=(0, 0), network=net),
            real,
            lambda given: given.images * 3,
            engine=engine,
            classes_per_pass=classes_per_pass,
        )
        groups = nested(synthetic, torch.tensor([[3, 3], [1, 2]]), all_classes=False)
        found = match(synthetic, groups)

        def mean_feature(given, rows, net=net):
            return sum(net.features(given.images[i : i + 1] * 3).flatten() for i in rows) / len(
                rows
            )

        sets = [([1], [0, 2, 4]), ([0, 2, 3], [1, 3]), ([1], [0]), ([0, 2, 3], [1, 3])]
        for row, (theirs, ours) in enumerate(sets):
            distance = mean_feature(real, theirs) - mean_feature(synthetic, ours)
            assert found[row].item() == pytest.approx(distance.square().sum().item(), rel=1e-10)


def test_the_loss_of_two_blocks_is_the_sum_of_both_with_equal_weight(tiny):
    both = tiny.bind(DistributionMatching(blocks=2))(tiny.synthetic, tiny.groups)
    last = tiny.bind(DistributionMatching())(tiny.synthetic, tiny.groups)

    def first(given, rows):
        return tiny.network.blocks[0](given.images[rows] * 3).mean(dim=0).detach()

    distances = [first(tiny.real, real) - first(tiny.synthetic, own) for real, own in tiny.sets]
    assert distances[0].shape == (4, 4, 4)  # the second map is 4 x 2 x 2
    expected = [a + d.square().sum() / 4 for a, d in zip(last, distances, strict=True)]
    torch.testing.assert_close(both, torch.stack(expected), rtol=1e-9, atol=0)


def test_means_are_not_kept_of_several_blocks_and_less_than_one_is_refused():
    assert DistributionMatching().takes_means
    assert not DistributionMatching(blocks=2).takes_means
    with pytest.raises(ConfigError, match=r"objective\.blocks = 0"):
        DistributionMatching(blocks=0)


def test_the_feature_of_a_set_pulls_all_its_images_alike():
    net = build("convnet2-w4", channels=3, classes=2, side=(8, 8), seed=0, path=("t",)).double()
    real = examples([0, 1], [0, 0], 0)
    synthetic = examples([0, 1, 0], [0, 0, 1], 1)
    match = DistributionMatching().bind(
        StepContext(at=(0, 0), network=net),
        real,
        lambda given: given.images,
        engine=Autograd(),
        classes_per_pass=1,
    )
    leaf = synthetic.images.requires_grad_()
    groups = nested(synthetic, torch.tensor([[2, 2]]), all_classes=False)
    (gradient,) = torch.autograd.grad(match(synthetic.with_images(leaf), groups).sum(), leaf)
    assert gradient.flatten(1).any(dim=1).all()
