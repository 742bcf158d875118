"""A class term beside a distance of features, against cross-entropies written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from condensery.condensing.objectives import (
    Calibrated,
    CharacteristicFunction,
    DistributionMatching,
    GradientMatching,
    KernelMMD,
)
from condensery.engines import Autograd, Fused, OnePass
from condensery.errors import ConfigError, UnsupportedNetwork
from condensery.networks import build
from condensery.types import StepContext

INSIDE = [
    DistributionMatching(),
    DistributionMatching(blocks=2),
    CharacteristicFunction(frequencies=4),
    KernelMMD(),
]


def entropies(tiny, network):
    """``-log p`` of the own class of every synthetic example."""
    p = network(tiny.synthetic.images * 3).softmax(dim=1).detach()
    return [-p[i, c].log().item() for i, c in enumerate(tiny.synthetic.class_.tolist())]


def losses_and_gradient(match, tiny):
    leaf = tiny.synthetic.images.clone().requires_grad_()
    losses = match(tiny.synthetic.with_images(leaf), tiny.groups)
    return losses.detach(), torch.autograd.grad(losses.sum(), leaf)[0]


def test_every_set_has_its_distance_and_the_mean_cross_entropy_of_its_examples(each, tiny):
    for features, under, engine in each(
        (features, under, engine)
        for features in INSIDE
        for under in ("expert", "network")
        for engine in (Autograd(), OnePass(), Fused())
    ):
        alone = tiny.bind(features, engine=engine)(tiny.synthetic, tiny.groups)
        objective = Calibrated(features=features, weight=0.7, under=under)
        found = tiny.bind(objective, target=tiny.target, engine=engine)(tiny.synthetic, tiny.groups)
        own = entropies(tiny, tiny.expert if under == "expert" else tiny.network)
        term = [sum(own[i] for i in rows) / len(rows) for _, rows in tiny.sets]
        expected = [a + 0.7 * b for a, b in zip(alone.tolist(), term, strict=True)]
        assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_the_gradient_of_one_pass_is_that_of_two(each, tiny):
    for engine in each([OnePass(), Fused()]):
        (_, both), (_, distance) = (
            losses_and_gradient(tiny.bind(objective, engine=engine), tiny)
            for objective in (Calibrated(weight=2.0, under="network"), DistributionMatching())
        )
        leaf = tiny.synthetic.images.clone().requires_grad_()
        each_ = nn.functional.cross_entropy(
            tiny.network(leaf * 3), tiny.synthetic.labels, reduction="none"
        )
        term = sum(each_[rows].mean() for _, rows in tiny.sets)
        (classes,) = torch.autograd.grad(2.0 * term, leaf)
        assert torch.allclose(both, distance + classes, rtol=1e-8, atol=1e-12)


def test_the_weight_may_fall_with_the_size(tiny):
    alone = tiny.bind(DistributionMatching())(tiny.synthetic, tiny.groups)
    objective = Calibrated(under="network", weight=3.0, exponent=0.5)
    found = tiny.bind(objective)(tiny.synthetic, tiny.groups)
    own = entropies(tiny, tiny.network)
    sizes = tiny.groups.size.tolist()
    term = [
        3 / size**0.5 * sum(own[i] for i in rows) / len(rows)
        for size, (_, rows) in zip(sizes, tiny.sets, strict=True)
    ]
    assert len(set(sizes)) > 1
    assert (found - alone).tolist() == pytest.approx(term, rel=1e-9)


def test_without_a_weight_the_distance_is_left_at_every_iteration(each, tiny):
    alone = losses_and_gradient(tiny.bind(DistributionMatching()), tiny)
    for alternate, inner in each([(False, 0), (True, 0), (True, 1)]):
        objective = Calibrated(weight=0.0, alternate=alternate)
        found = losses_and_gradient(tiny.bind(objective, inner=inner), tiny)
        assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))


def test_a_class_term_by_an_expert_that_there_is_not_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"schedule = interpolated.*weight = 0"):
        tiny.bind(Calibrated())


def test_in_turns_even_iterations_have_the_distance_and_odd_ones_the_class_term(tiny):
    objective = Calibrated(weight=1.5, alternate=True)
    even, odd = (
        tiny.bind(objective, inner=inner, target=tiny.target)(tiny.synthetic, tiny.groups)
        for inner in (0, 1)
    )
    assert torch.equal(even, tiny.bind(DistributionMatching())(tiny.synthetic, tiny.groups))
    own = entropies(tiny, tiny.expert)
    term = [1.5 * sum(own[i] for i in rows) / len(rows) for _, rows in tiny.sets]
    assert odd.tolist() == pytest.approx(term, rel=1e-9)


def test_an_expert_whose_statistics_are_unknown_is_refused(tiny):
    network = build("convnet2-w4-bn", channels=3, classes=2, side=(8, 8), seed=0, path=())
    target = dict(network.named_parameters())
    with pytest.raises(UnsupportedNetwork, match=r"under = 'network'"):
        Calibrated().bind(
            StepContext(at=(0, 0), network=network, target=target),
            tiny.real,
            lambda given: given.images.float(),
            engine=Autograd(),
            classes_per_pass=2,
        )


def test_a_network_that_cannot_classify_or_has_too_few_blocks_is_refused_before_its_training(each):
    norms = build("convnet2-w4-bn", channels=3, classes=2, side=(8, 8), seed=0, path=())
    plain = build("convnet2-w4", channels=3, classes=2, side=(8, 8), seed=0, path=())
    blocks = DistributionMatching(blocks=3)
    for objective, network, said in each(
        [
            (Calibrated(), norms, "under = 'network'"),
            (Calibrated(features=blocks, under="network"), plain, "Use 1 to 2"),
            (blocks, plain, "Use 1 to 2"),
        ]
    ):
        with pytest.raises(UnsupportedNetwork, match=said):
            objective.check(network)
    Calibrated(under="network").check(norms)
    Calibrated(weight=0.0).check(norms)


def test_a_choice_that_cannot_work_is_refused(each):
    for choice, said in each(
        [
            ({"features": GradientMatching()}, r"objective\.features = GradientMatching.*m3d"),
            ({"weight": -1.0}, r"objective\.weight = -1"),
            ({"exponent": -0.5}, r"objective\.exponent = -0\.5"),
            ({"under": "teacher"}, "known are expert, network"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            Calibrated(**choice)
