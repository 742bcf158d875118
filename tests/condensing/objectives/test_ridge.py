"""The ridge regression objective against its formula, set by set."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from condensery.condensing.objectives import RidgeRegression, ridge
from condensery.engines import Autograd
from condensery.errors import ConfigError
from condensery.kernels import RBF, FullyConnected
from condensery.networks import IdentityNetwork
from condensery.rng import stream
from condensery.types import Examples, StepContext, nested

CLASSES = 3


def drawn(per_class: int, *, seed: int) -> Examples:
    class_ = torch.arange(CLASSES).repeat(per_class)
    images = torch.rand(len(class_), 1, 3, 3, generator=stream(seed, "t"), dtype=torch.float64)
    rank = torch.arange(len(class_)) // CLASSES
    return Examples(images=images, labels=class_, class_=class_, rank=rank)


def matched(objective: RidgeRegression, real: Examples, examples: Examples, sizes: list[int]):
    profiles = torch.tensor([[size] * CLASSES for size in sizes])
    match = objective.bind(
        StepContext(at=(0, 0), network=IdentityNetwork()),
        real,
        lambda shown: 2 * shown.images - 1,
        engine=Autograd(),
        classes_per_pass=1,
    )
    return match(examples, nested(examples, profiles, all_classes=True))


def by_formula(objective: RidgeRegression, real: Examples, own: Examples, labels: Tensor) -> Tensor:
    x, t = 2 * own.images - 1, 2 * real.images - 1
    wanted = torch.nn.functional.one_hot(real.labels, CLASSES).double() - 1 / CLASSES
    support = objective.kernel(x, x)
    share = objective.regularisation * support.trace() / len(x)
    inverse = torch.linalg.inv(support + share * torch.eye(len(x)))
    said = objective.kernel(t, x) @ inverse @ (labels - 1 / CLASSES)
    return 0.5 * (said - wanted).square().mean()


@pytest.mark.parametrize("kernel", [FullyConnected(depth=2), RBF()], ids=str)
def test_every_size_is_the_regression_from_its_images(kernel):
    objective = RidgeRegression(kernel=kernel, regularisation=1e-3)
    real, examples = drawn(7, seed=0), drawn(3, seed=1)
    losses = matched(objective, real, examples, [3, 1, 2])
    for loss, size in zip(losses, [3, 1, 2], strict=True):
        own = examples.rows(examples.rank < size)
        labels = torch.nn.functional.one_hot(own.labels, CLASSES).double()
        torch.testing.assert_close(loss, by_formula(objective, real, own, labels))


def test_labels_may_be_learned():
    objective = RidgeRegression(regularisation=1e-3)
    real, examples = drawn(7, seed=0), drawn(2, seed=1)
    soft = torch.rand(len(examples), CLASSES, generator=stream(2), dtype=torch.float64)
    soft.requires_grad_()
    (loss,) = matched(objective, real, replace(examples, labels=soft), [2])
    torch.testing.assert_close(loss, by_formula(objective, real, examples, soft))
    (gradient,) = torch.autograd.grad(loss, soft)
    assert bool(gradient.any())


def test_cutting_the_targets_changes_nothing(monkeypatch):
    objective = RidgeRegression()
    real, examples = drawn(7, seed=0), drawn(2, seed=1)
    leaf = examples.images.requires_grad_()
    found = []
    for pairs in (2**22, 30):  # all 21 targets, five at a time
        monkeypatch.setattr(ridge, "_PAIRS", pairs)
        losses = matched(objective, real, examples.with_images(leaf), [2, 1])
        found.append((losses.detach(), torch.autograd.grad(losses.sum(), leaf)[0]))
    torch.testing.assert_close(found[1][0], found[0][0])
    torch.testing.assert_close(found[1][1], found[0][1])


def test_gradients_are_those_of_differences():
    real, examples = drawn(4, seed=0), drawn(2, seed=1)
    objective = RidgeRegression(regularisation=1e-2)
    leaf = examples.images.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda images: matched(objective, real, examples.with_images(images), [2, 1]), leaf
    )


def test_losses_have_the_type_of_the_images_and_are_computed_in_float64():
    real, examples = drawn(7, seed=0), drawn(2, seed=1)
    single = examples.with_images(examples.images.float())
    found = matched(RidgeRegression(), real.with_images(real.images.float()), single, [2])
    assert found.dtype == torch.float32
    exact = matched(
        RidgeRegression(),
        real.with_images(real.images.float().double()),
        single.with_images(single.images.double()),
        [2],
    )
    torch.testing.assert_close(found, exact.float(), rtol=1e-6, atol=0)


def test_a_set_classifies_its_own_images():
    examples = drawn(3, seed=1)
    found = RidgeRegression().classify(
        examples.images, examples.labels, examples.images, classes=CLASSES
    )
    assert torch.equal(found, examples.labels)


def test_a_ridge_that_is_none_is_refused(each):
    for regularisation in each([0.0, -1.0, float("nan"), float("inf")]):
        with pytest.raises(ConfigError, match="regularisation = "):
            RidgeRegression(regularisation=regularisation)
