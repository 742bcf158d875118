"""Characteristic functions against complex numbers written out."""

from __future__ import annotations

import cmath
import math
from types import SimpleNamespace

import pytest
import torch

from condensery.condensing.objectives import CharacteristicFunction
from condensery.errors import ConfigError
from condensery.rng import stream
from condensery.types import Examples, StepContext, nested


def plain(synthetic, real, frequencies, *, alpha, scale):
    """Equation by equation: one frequency after the other, complex means, no vector operation."""

    def at(features, t):
        unit = [f / math.sqrt(float(f.square().sum())) for f in features]
        return sum(cmath.exp(1j * float(f @ t)) for f in unit) / len(unit)

    total = 0.0
    for t in frequencies.T:
        a, b = at(synthetic, t), at(real, t)
        amplitude = (abs(b) - abs(a)) ** 2
        phase = 2 * (abs(a) * abs(b) - a.real * b.real - a.imag * b.imag)
        total += math.sqrt(alpha * amplitude + (1 - alpha) * max(phase, 1e-12))
    return scale * total / frequencies.shape[1]


def test_the_loss_of_every_set_is_the_published_one(each, tiny):
    for alpha in each([0.0, 0.3, 0.5, 1.0]):
        objective = CharacteristicFunction(frequencies=7, amplitude=alpha, scale=30.0)
        found = tiny.bind(objective, outer=2)(tiny.synthetic, tiny.groups)
        ours, theirs = tiny.features(tiny.synthetic), tiny.features(tiny.real)
        drawn = torch.randn(ours.shape[1], 7, generator=stream(5, "frequencies", 2, 0)).double()
        expected = [
            plain(ours[rows], theirs[real], drawn, alpha=alpha, scale=30.0)
            for real, rows in tiny.sets
        ]
        assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_frequencies_are_drawn_anew_for_every_context_and_are_the_same_for_all_classes(tiny):
    objective = CharacteristicFunction(frequencies=3)
    one, again, other = (
        tiny.bind(objective, outer=outer)(tiny.synthetic, tiny.groups) for outer in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_the_expected_square_is_that_of_a_wide_gaussian_kernel():
    """One example each, unit vectors at an angle: ``E |a - b|^2 = 2 (1 - exp(cos - 1))``."""
    objective = CharacteristicFunction(frequencies=200_000, scale=1.0)
    comparison = objective.comparison(StepContext(at=(0, 0), network=torch.nn.Identity()))
    angle = 1.1
    real = torch.tensor([[2.0, 0.0, 0.0]])
    ours = 5 * torch.tensor([[math.cos(angle), math.sin(angle), 0.0]])
    target = comparison.target(real)
    class_ = torch.zeros(1, dtype=torch.long)
    examples = Examples(images=torch.zeros(1, 1, 1, 1), labels=class_, class_=class_, rank=class_)
    groups = nested(examples, torch.ones(1, 1, dtype=torch.long), all_classes=False)
    own = comparison.target(ours)
    square = (own - target).square().unflatten(0, (2, -1)).sum(dim=0).mean()
    assert square.item() == pytest.approx(2 * (1 - math.exp(math.cos(angle) - 1)), rel=0.01)
    same = comparison.losses(real * 3, examples, groups, [target])
    assert same.item() == pytest.approx(1e-6, rel=1e-3)  # the root of the floor


def test_a_number_that_cannot_work_is_refused(each):
    for choice in each(
        [{"frequencies": 0}, {"amplitude": -0.1}, {"amplitude": 1.1}, {"scale": 0.0}]
    ):
        with pytest.raises(ConfigError, match=rf"objective\.{next(iter(choice))} ="):
            CharacteristicFunction(**choice)


def test_examples_without_any_feature_have_a_finite_loss_and_gradient(tiny):
    """A vector of zeros has no direction; it stays where it is."""
    comparison = CharacteristicFunction(frequencies=5).comparison(
        SimpleNamespace(stream=lambda name: stream(0, name))
    )
    target = comparison.target(tiny.features(tiny.real))
    nothing = torch.zeros_like(tiny.features(tiny.synthetic)).requires_grad_()
    losses = comparison.losses(nothing, tiny.synthetic, tiny.groups, [target] * 4)
    (gradient,) = torch.autograd.grad(losses.sum(), nothing)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()
