"""Law 4: every engine agrees with the reference in value and in image gradient, in float64."""

from __future__ import annotations

from itertools import product

import torch

from condensery.condensing.objectives import GradientMatching
from condensery.engines import Autograd
from condensery.rng import stream
from condensery.types import Examples, Groups


def examples_of(side, channels, *, seed):
    rng = stream(seed, "law 4", channels, *side)
    labels = torch.randint(0, 2, (7,), generator=rng)
    images = torch.rand(7, channels, *side, generator=rng, dtype=torch.float64)
    return Examples(images=images, labels=labels, class_=labels, rank=torch.arange(7))


def random_groups(seed):
    """Arbitrary sets: overlapping, of one example, of all; example 4 is in none but the full."""
    member = torch.rand(5, 7, generator=stream(seed, "member")) < 0.5
    member[:, 4] = False
    member[:, 2] = True
    member[0], member[1] = True, False
    member[1, 6] = True
    class_ = torch.tensor([0, 1, 0, 1, 1])
    return Groups(member=member, class_=class_, size=member.sum(dim=1))


def test_an_engine_agrees_with_the_reference_on_arbitrary_groups(each, small):
    for engine, (metric, parameters, side, channels) in each(
        product(
            small.every("engine"),
            [
                ("mse", "conv", (8, 8), 1),
                ("mse", "all", (9, 12), 3),
                ("l1", "conv", (9, 12), 1),
                ("l1", "all", (16, 16), 3),
                ("cosine", "conv", (16, 16), 3),
                ("cosine", "all", (8, 8), 1),
                ("whole-cosine", "conv", (8, 8), 3),
                ("whole-cosine", "all", (9, 12), 1),
            ],
        )
    ):
        objective = GradientMatching(metric=metric, parameters=parameters)
        network = small.network(channels=channels, side=side)
        real, examples = (examples_of(side, channels, seed=seed) for seed in (0, 1))
        found, expected = (
            small.losses_and_gradient(
                small.bind(objective, own, network=network, real=real, view=lambda x: x.images),
                examples,
                random_groups(2),
            )
            for own in (engine, Autograd())
        )
        assert small.near(found[0], expected[0])
        assert small.near(found[1], expected[1])
        assert expected[1].flatten(1).any(dim=1).all()


def test_an_engine_agrees_with_the_reference_on_features(each, small):
    for engine in each(small.every("engine")):
        images = examples_of((8, 8), 3, seed=0).images.requires_grad_()
        network = small.network()
        found, expected = (own.features(network, images) for own in (engine, Autograd()))
        assert expected.shape == (7, 4 * 2 * 2)
        assert small.near(found, expected)
        direction = torch.rand(expected.shape, generator=stream(3), dtype=torch.float64)
        gradients = [torch.autograd.grad(f, images, direction)[0] for f in (found, expected)]
        assert small.near(*gradients)


def test_an_engine_agrees_with_the_reference_on_the_sets_of_a_run(each, small):
    for objective, engine, parameterization, asked in each(
        small.every("objective", "engine", "parameterization", "asked")
    ):
        *_, losses, gradient = small.evaluated(objective, engine, parameterization, asked)
        *_, losses_, gradient_ = small.evaluated(objective, Autograd(), parameterization, asked)
        assert small.near(losses, losses_)
        assert small.near(gradient, gradient_)


def test_an_engine_gives_no_graph_where_the_images_ask_for_none(each, small):
    for engine in each(small.every("engine")):
        examples = examples_of((8, 8), 3, seed=0)
        network = small.network()
        names = [name for name, _ in network.named_parameters()]
        found = engine.gradients(
            network, examples.images, examples.labels, random_groups(2), names=names
        )
        assert list(found) == names
        for name, gradient in found.items():
            assert gradient.shape == (5, *network.get_parameter(name).shape)
            assert not gradient.requires_grad
