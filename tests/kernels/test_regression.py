"""Kernel ridge regression against the normal equations, and Label Solve against its purpose."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from condensery.errors import ConfigError
from condensery.kernels import FullyConnected, label_solve, predict, regularised
from condensery.rng import stream


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=stream(seed, "test"), dtype=torch.float64)


@pytest.fixture
def case() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Kernels of 9 targets with 4 images of support, and labels of both."""
    support, target, kernel = drawn(4, 6), drawn(9, 6, seed=1), FullyConnected()
    return kernel(target, support), kernel(support, support), drawn(4, 3), drawn(9, 3, seed=2)


def test_the_ridge_is_a_share_of_the_mean_diagonal(case):
    _, support, _, _ = case
    expected = support + 0.3 * support.trace() / 4 * torch.eye(4)
    torch.testing.assert_close(regularised(support, ridge=0.3), expected)


def test_a_prediction_is_its_formula(case):
    cross, support, labels, _ = case
    expected = cross @ torch.linalg.inv(regularised(support, ridge=1e-3)) @ labels
    torch.testing.assert_close(predict(cross, support, labels, ridge=1e-3), expected)


def test_a_kernel_in_other_units_predicts_the_same(case):
    cross, support, labels, _ = case
    torch.testing.assert_close(
        predict(10 * cross, 10 * support, labels, ridge=0.1),
        predict(cross, support, labels, ridge=0.1),
    )


def test_rounding_that_breaks_the_symmetry_is_mended(case):
    cross, support, labels, _ = case
    bent = support + torch.ones(4, 4).double().triu(1) * 1e-9
    expected = predict(cross, (bent + bent.T) / 2, labels, ridge=1e-3)
    assert torch.equal(predict(cross, bent, labels, ridge=1e-3), expected)


def test_the_support_predicts_its_own_labels(case):
    _, support, labels, _ = case
    torch.testing.assert_close(
        predict(support, support, labels, ridge=1e-12), labels, rtol=1e-6, atol=1e-6
    )


def test_gradients_are_those_of_differences(case):
    cross, support, labels, _ = (tensor.requires_grad_() for tensor in case)
    assert torch.autograd.gradcheck(lambda *x: predict(*x, ridge=0.1), (cross, support, labels))


def test_solved_labels_predict_better_than_any_others(case):
    cross, support, labels, targets = case
    best = label_solve(cross, support, targets, ridge=1e-3).requires_grad_()

    def loss(y: Tensor) -> Tensor:
        return (predict(cross, support, y, ridge=1e-3) - targets).square().sum()

    (gradient,) = torch.autograd.grad(loss(best), best)
    least = loss(best.detach())
    assert gradient.abs().max() < 1e-9 * least
    assert least < loss(labels)


def test_labels_that_are_possible_are_found_again(case):
    cross, support, labels, _ = case
    targets = predict(cross, support, labels, ridge=1e-3)
    found = label_solve(cross, support, targets, ridge=1e-3)
    torch.testing.assert_close(found, labels, rtol=1e-7, atol=1e-7)


def test_equal_images_without_a_ridge_are_refused():
    support = torch.ones(2, 2).double()
    with pytest.raises(ConfigError, match=r"regularisation = 0\.0: the kernel of 2 images"):
        predict(support, support, drawn(2, 1), ridge=0.0)


def test_a_kernel_that_is_not_finite_gives_a_loss_that_is_not_finite():
    support = torch.full((2, 2), torch.nan).double()
    assert bool(predict(support, support, drawn(2, 1), ridge=0.1).isnan().all())
