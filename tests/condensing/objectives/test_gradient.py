"""Gradient matching against plain autograd, class by class."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from condensery.condensing.objectives import GradientMatching
from condensery.engines import Autograd, OnePass
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.rng import stream
from condensery.types import Examples, StepContext, nested

CLASSES = 3


def network():
    return build(
        "convnet2-w4", channels=3, classes=CLASSES, side=(8, 8), seed=0, path=("test",)
    ).double()


def examples(classes, seed):
    class_ = torch.tensor(classes)
    of = class_[None] == torch.arange(CLASSES)[:, None]
    rank = (of.cumsum(dim=1) - 1).gather(0, class_[None])[0]
    images = torch.rand(len(class_), 3, 8, 8, generator=stream(seed), dtype=torch.float64)
    return Examples(images=images, labels=class_, class_=class_, rank=rank)


def view(given):
    return 2 * given.images - 1


def naive_loss(net, real, synthetic, member, class_, *, all_parameters):
    """The squared distance of one set, from its definition."""
    own = real.class_ == class_
    wanted = [p for p in net.parameters() if all_parameters or p.ndim == 4]
    gradients = []
    for images, labels in (
        (view(real)[own], real.labels[own]),
        (view(synthetic)[member], synthetic.labels[member]),
    ):
        loss = nn.functional.cross_entropy(net(images), labels)
        gradients.append(torch.autograd.grad(loss, wanted))
    return sum(float((a - b).square().sum()) for a, b in zip(*gradients, strict=True))


def test_every_set_is_matched_to_the_real_images_of_its_class(each):
    for engine, parameters in each(product([Autograd(), OnePass()], ["conv", "all"])):
        net = network()
        real, synthetic = examples([2, 0, 1, 0, 2, 2, 1], 0), examples([0, 1, 2, 0, 1, 2], 1)
        match = GradientMatching(parameters=parameters).bind(
            StepContext(at=(0, 0), network=net), real, view, engine=engine, classes_per_pass=2
        )
        groups = nested(synthetic, torch.tensor([[2, 2, 2], [1, 2, 1]]), all_classes=False)
        found = match(synthetic, groups)
        for row, (member, class_) in enumerate(zip(groups.member, groups.class_, strict=True)):
            expected = naive_loss(
                net, real, synthetic, member, class_, all_parameters=parameters == "all"
            )
            assert found[row].item() == pytest.approx(expected, rel=1e-10)


def test_the_view_is_shown_both_real_and_synthetic_examples():
    shown = []

    def spy(given):
        shown.append(len(given))
        return view(given)

    match = GradientMatching().bind(
        StepContext(at=(0, 0), network=network()),
        examples([0, 1, 2, 0], 0),
        spy,
        engine=Autograd(),
        classes_per_pass=1,
    )
    synthetic = examples([0, 1, 2], 1)
    match(synthetic, nested(synthetic, torch.tensor([[1, 1, 1]]), all_classes=False))
    assert shown == [4, 3]


def test_synthetic_images_that_equal_the_real_ones_have_no_loss():
    real = examples([0, 0, 1, 1, 2, 2], 0)
    match = GradientMatching(metric="l1", parameters="all").bind(
        StepContext(at=(0, 0), network=network()), real, view, engine=Autograd(), classes_per_pass=3
    )
    losses = match(real, nested(real, torch.tensor([[2, 2, 2], [1, 1, 1]]), all_classes=False))
    assert losses[:3].abs().max() < 1e-12
    assert losses[3:].min() > 1e-3


def test_a_network_without_convolutions_needs_all_parameters():
    net = build("mlp", channels=3, classes=CLASSES, side=(8, 8), seed=0, path=("test",)).double()
    moment, real = StepContext(at=(0, 0), network=net), examples([0, 1, 2], 0)
    with pytest.raises(ConfigError, match="no convolution kernel"):
        GradientMatching().bind(moment, real, view, engine=Autograd(), classes_per_pass=1)
    match = GradientMatching(parameters="all").bind(
        moment, real, view, engine=Autograd(), classes_per_pass=1
    )
    other = examples([0, 1, 2], 1)
    assert (match(other, nested(other, torch.tensor([[1, 1, 1]]), all_classes=False)) > 0).all()


def test_unknown_words_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'mse'"):
        GradientMatching(metric="mae")
    with pytest.raises(ConfigError, match="parameters = 'bias'"):
        GradientMatching(parameters="bias")
