"""Laws 1 to 3: a match is a function, passes do not matter, a row sees only its members."""

from __future__ import annotations

from itertools import product

import torch

from condensery.condensing.sizes import AllSizes
from condensery.condensing.step import _gradients
from condensery.parameterizations import Pixels
from condensery.rng import stream
from condensery.types import by_class, nested


def test_a_match_called_twice_gives_the_same_bits(each, small):
    for objective, engine, parameterization, asked in each(
        small.every("objective", "engine", "parameterization", "asked")
    ):
        match, examples, groups, losses, gradient = small.evaluated(
            objective, engine, parameterization, asked
        )
        again = small.losses_and_gradient(match, examples, groups)
        assert torch.equal(again[0], losses)
        assert torch.equal(again[1], gradient)
        assert losses.shape == (len(groups),)
        assert gradient.flatten(1).any(dim=1).sum() >= 2


def test_a_match_remembers_nothing_of_what_it_was_asked_before(each, small):
    for objective, engine in each(small.every("objective", "engine")):
        match, examples, groups, losses, _ = small.evaluated(
            objective, engine, Pixels(), AllSizes()
        )
        other = examples.with_images(1 - examples.images)
        assert not small.near(small.losses_and_gradient(match, other, groups)[0], losses)
        assert torch.equal(small.losses_and_gradient(match, examples, groups)[0], losses)


def test_a_target_carries_no_graph(each, small):
    for objective, engine in each(small.every("objective", "engine")):
        real = small.real()
        real = real.with_images(real.images.requires_grad_())
        match = small.bind(objective, engine, real=real)
        examples = small.examples(Pixels())
        leaf = examples.images.requires_grad_()
        match(examples.with_images(leaf), by_class(examples)).sum().backward()
        assert leaf.grad is not None
        assert real.images.grad is None


def test_a_match_leaves_the_network_as_it_was(each, small):
    for objective, engine in each(small.every("objective", "engine")):
        network = small.network()
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        match = small.bind(objective, engine, network=network)
        examples = small.examples(Pixels())
        small.losses_and_gradient(match, examples, by_class(examples))
        assert all(p.grad is None and p.requires_grad for p in network.parameters())
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, before[name])
        assert network.training
        assert not any(module._forward_hooks for module in network.modules())


def test_the_classes_of_a_pass_change_nothing(each, small):
    for objective, engine, parameterization, asked in each(
        small.every("objective", "engine", "parameterization", "asked")
    ):
        _, examples, groups, losses, gradient = small.evaluated(
            objective, engine, parameterization, asked
        )
        match = small.bind(objective, engine, classes_per_pass=1)
        found = _gradients(
            match,
            examples,
            groups,
            weights=torch.ones(len(groups)),
            names=["images"],
            passes=groups.passes(1),
        )
        assert small.near(found[0], losses)
        assert small.near(found[1]["images"], gradient)


def test_passes_of_unequal_length_change_nothing(each, small):
    for objective, classes_per_pass in each(product(small.every("objective"), [2, 3])):
        engine, data = small.engine, small.data(counts=(6, 6, 2, 6, 6))
        real = small.real(data)
        network = small.network(classes=5)
        examples = small.examples(Pixels(), data, counts=(3, 3, 2, 3, 3))
        groups = nested(examples, torch.tensor([[3] * 5, [1, 2, 3, 1, 2]]), all_classes=False)
        alone, many = (
            _gradients(
                small.bind(objective, engine, network=network, real=real, classes_per_pass=number),
                examples,
                groups,
                weights=torch.ones(len(groups)),
                names=["images"],
                passes=groups.passes(number),
            )
            for number in (1, classes_per_pass)
        )
        assert small.near(many[0], alone[0])
        assert small.near(many[1]["images"], alone[1]["images"])


def test_a_row_sees_only_its_members(each, small):
    for objective, engine, parameterization, asked in each(
        small.every("objective", "engine", "parameterization", "asked")
    ):
        match, examples, groups, losses, _ = small.evaluated(
            objective, engine, parameterization, asked
        )
        row = int(groups.member.sum(dim=1).argmin())
        member = groups.member[row]
        noise = torch.rand(examples.images.shape, generator=stream(0), dtype=torch.float64)
        mixed = torch.where(member[:, None, None, None], examples.images, noise).requires_grad_()
        found = match(examples.with_images(mixed), groups)[row]
        assert small.near(found, losses[row], 1e-12)
        (gradient,) = torch.autograd.grad(found, mixed)
        assert not gradient[~member].any()
        assert gradient[member].any()


def test_every_row_is_what_it_is_alone(each, small):
    for objective, engine, asked in each(small.every("objective", "engine", "asked")):
        match, examples, groups, losses, _ = small.evaluated(objective, engine, Pixels(), asked)
        for row, member in enumerate(groups.member):
            alone = groups.rows(torch.tensor([row])).only(member)
            assert small.near(match(examples.rows(member), alone), losses[row : row + 1])


def test_the_order_of_groups_and_examples_does_not_matter(each, small):
    for objective, engine in each(small.every("objective", "engine")):
        match, examples, groups, losses, _ = small.evaluated(
            objective, engine, Pixels(), AllSizes()
        )
        rows = torch.randperm(len(groups), generator=stream(0))
        order = torch.randperm(len(examples), generator=stream(1))
        found = match(examples.rows(order), groups.rows(rows).only(order))
        assert small.near(found, losses[rows])


def test_the_order_of_real_examples_does_not_matter(each, small):
    for objective, engine in each(small.every("objective", "engine")):
        _, examples, groups, losses, _ = small.evaluated(objective, engine, Pixels(), AllSizes())
        real = small.real()
        shuffled = real.rows(torch.randperm(len(real), generator=stream(0)))
        found = small.bind(objective, engine, real=shuffled, classes_per_pass=2)(examples, groups)
        assert small.near(found, losses)
