"""Distances between gradients against loops in NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from condensery.condensing.objectives.distances import METRICS, metric
from condensery.errors import ConfigError
from condensery.rng import stream

SHAPES = {"kernel": (4, 3, 3, 3), "linear": (5, 7), "bias": (6,)}


def pair(shape, groups=3):
    rng = stream(0, "pair", *shape)
    return tuple(torch.randn(groups, *shape, generator=rng, dtype=torch.float64) for _ in range(2))


def naive(name, x, y):
    """One group, one parameter, plain loops."""
    if name == "whole-cosine":
        x, y = x.ravel(), y.ravel()
        return 1 - np.dot(x, y) / (np.sqrt(np.dot(x, x)) * np.sqrt(np.dot(y, y)) + 1e-6)
    if name == "mse":
        return sum((a - b) ** 2 for a, b in zip(x.flat, y.flat, strict=True))
    if name == "l1":
        return sum(abs(a - b) for a, b in zip(x.flat, y.flat, strict=True))
    if x.ndim == 1:
        return 0.0
    distance = 0.0
    for row, other in zip(x, y, strict=True):
        row, other = row.ravel(), other.ravel()
        norms = np.sqrt(np.dot(row, row)) * np.sqrt(np.dot(other, other))
        distance += 1 - np.dot(row, other) / (norms + 1e-6)
    return distance


def test_a_distance_is_its_formula_group_by_group(each):
    for name, shape in each(product(METRICS, SHAPES.values())):
        x, y = pair(shape)
        found = metric(name)({"w": x}, {"w": y})
        assert found.shape == (3,)
        for group in range(3):
            expected = naive(name, x[group].numpy(), y[group].numpy())
            assert found[group].item() == pytest.approx(expected, rel=1e-12)


def test_a_gradient_has_no_distance_to_itself(each):
    for name in each(METRICS):
        x, _ = pair(SHAPES["kernel"])
        assert metric(name)({"w": x}, {"w": x}).abs().max() < 1e-5


def test_a_cosine_has_finite_first_and_second_derivatives_at_a_dead_row(each):
    for dead, name in each(product([0, slice(None)], ["cosine", "whole-cosine"])):
        x, y = pair(SHAPES["linear"])
        x[:, dead], y[:, 1] = 0, 0
        x.requires_grad_()
        distance = metric(name)({"w": x}, {"w": y})
        (first,) = torch.autograd.grad(distance.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        assert first.isfinite().all()
        assert second.isfinite().all()


def pairs():
    several = {name: pair(shape) for name, shape in SHAPES.items()}
    return tuple({name: both[side] for name, both in several.items()} for side in (0, 1))


def test_a_distance_is_the_sum_over_parameters(each):
    for name in each(["mse", "l1", "cosine"]):
        x, y = pairs()
        expected = sum(metric(name)({n: x[n]}, {n: y[n]}) for n in SHAPES)
        assert torch.allclose(metric(name)(x, y), expected, rtol=1e-14)


def test_the_whole_cosine_is_that_of_all_parameters_as_one_vector():
    x, y = pairs()
    one = [torch.cat([v.flatten(1) for v in side.values()], dim=1) for side in (x, y)]
    for group in range(3):
        expected = naive("whole-cosine", *(side[group].numpy() for side in one))
        assert metric("whole-cosine")(x, y)[group].item() == pytest.approx(expected, rel=1e-12)


def test_an_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'cosine'"):
        metric("cosinus")
