"""Rows that stay probabilities: the projection against its definition, and the step around it."""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.updates import SGD, Adam, OnSimplex, nearest_probabilities
from condensery.rng import stream


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed, "rows"), dtype=torch.float64)


def test_nothing_among_the_probabilities_is_nearer(each):
    """The variational inequality, which the projection alone satisfies: (x - p)(q - p) <= 0."""
    for scale in each([0.01, 1.0, 30.0]):
        rows = scale * drawn(20, 5)
        found = nearest_probabilities(rows)
        assert bool((found >= 0).all())
        torch.testing.assert_close(found.sum(dim=1), torch.ones(20, dtype=torch.float64))
        for corner in torch.eye(5, dtype=torch.float64):  # linear in q: corners suffice
            assert bool((((rows - found) * (corner - found)).sum(dim=1) <= 1e-9 * scale).all())


def test_probabilities_stay_as_they_are():
    rows = drawn(20, 5).softmax(dim=1)
    torch.testing.assert_close(nearest_probabilities(rows), rows)
    assert torch.equal(nearest_probabilities(torch.eye(3)), torch.eye(3))


def test_one_class_is_certain():
    torch.testing.assert_close(
        nearest_probabilities(drawn(4, 1)), torch.ones(4, 1, dtype=torch.float64)
    )


@pytest.mark.parametrize("inside", [SGD(lr=0.3, momentum=0.5), Adam(lr=0.3)], ids=str)
def test_a_step_is_that_of_the_update_inside_brought_back(inside):
    part, rows = OnSimplex(update=inside), drawn(6, 4).softmax(dim=1)
    frozen = torch.tensor([True, False, False, True, False, False])[:, None]
    state, own = part.init(rows), inside.init(rows)
    for seed in (1, 2):
        gradient = drawn(6, 4, seed=seed)
        expected, own = inside.step(rows, gradient, own, frozen=frozen, remaining=0.5)
        moved, state = part.step(rows, gradient, state, frozen=frozen, remaining=0.5)
        assert torch.equal(moved[frozen[:, 0]], rows[frozen[:, 0]])
        assert torch.equal(moved[~frozen[:, 0]], nearest_probabilities(expected)[~frozen[:, 0]])
        assert all(torch.equal(state[name], own[name]) for name in own)
        rows = moved
