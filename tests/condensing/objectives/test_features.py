"""Feature regression against its formula, set by set, and against training the last layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from condensery.condensing.objectives import FeatureRegression, features
from condensery.engines import Autograd
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.rng import stream
from condensery.types import Examples, StepContext, nested

CLASSES = 3


def drawn(per_class: int, *, seed: int) -> Examples:
    class_ = torch.arange(CLASSES).repeat(per_class)
    images = torch.rand(len(class_), 1, 8, 8, generator=stream(seed, "t"), dtype=torch.float64)
    rank = torch.arange(len(class_)) // CLASSES
    return Examples(images=images, labels=class_, class_=class_, rank=rank)


def network():
    built = build("convnet2-w4", channels=1, classes=CLASSES, side=(8, 8), seed=0, path=("net",))
    return built.double()


def shown(examples: Examples) -> Tensor:
    return 2 * examples.images - 1


def matched(
    objective: FeatureRegression, real: Examples, examples: Examples, sizes: list[int], net=None
):
    profiles = torch.tensor([[size] * CLASSES for size in sizes])
    match = objective.bind(
        StepContext(at=(0, 0), network=network() if net is None else net),
        real,
        shown,
        engine=Autograd(),
        classes_per_pass=1,
    )
    return match(examples, nested(examples, profiles, all_classes=True))


def targets(examples: Examples) -> Tensor:
    return torch.nn.functional.one_hot(examples.labels, CLASSES).double() - 1 / CLASSES


@torch.no_grad()
def by_formula(ridge: float, real: Examples, own: Examples, labels: Tensor) -> Tensor:
    x, t = (network().features(shown(part)).flatten(1) for part in (own, real))
    support = x @ x.T
    inverse = torch.linalg.inv(support + ridge * support.trace() / len(x) * torch.eye(len(x)))
    return 0.5 * (t @ x.T @ inverse @ labels - targets(real)).square().mean()


def test_every_size_is_the_regression_from_the_features_of_its_images():
    real, examples = drawn(7, seed=0), drawn(3, seed=1)
    losses = matched(FeatureRegression(regularisation=1e-2), real, examples, [3, 1, 2])
    for loss, size in zip(losses, [3, 1, 2], strict=True):
        own = examples.rows(examples.rank < size)
        torch.testing.assert_close(loss, by_formula(1e-2, real, own, targets(own)))


@torch.no_grad()
def test_it_is_what_the_best_last_layer_for_the_set_would_predict():
    """The primal way: weights that fit the set's labels, with a penalty on their size."""
    real, own = drawn(7, seed=0), drawn(3, seed=1)
    x, t = (network().features(shown(part)).flatten(1) for part in (own, real))
    penalty = 1e-2 * x.square().sum() / len(x)
    weights = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1]), x.T @ targets(own))
    expected = 0.5 * (t @ weights - targets(real)).square().mean()
    (found,) = matched(FeatureRegression(regularisation=1e-2), real, own, [3])
    torch.testing.assert_close(found, expected)


def test_labels_may_be_learned():
    real, examples = drawn(7, seed=0), drawn(2, seed=1)
    soft = torch.rand(len(examples), CLASSES, generator=stream(2), dtype=torch.float64)
    soft.requires_grad_()
    learned = replace(examples, labels=soft)
    (loss,) = matched(FeatureRegression(regularisation=1e-2), real, learned, [2])
    expected = by_formula(1e-2, real, examples, soft.detach() - 1 / CLASSES)
    torch.testing.assert_close(loss.detach(), expected)
    (gradient,) = torch.autograd.grad(loss, soft)
    assert bool(gradient.any())


def test_gradients_are_those_of_differences():
    real, examples = drawn(4, seed=0), drawn(2, seed=1)
    objective, leaf, net = FeatureRegression(regularisation=0.1), examples.images, network()
    leaf.requires_grad_()
    losses = matched(objective, real, examples.with_images(leaf), [2, 1], net)
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    way = torch.rand(leaf.shape, generator=stream(3), dtype=torch.float64) - 0.5
    with torch.no_grad():
        ahead, behind = (
            matched(objective, real, examples.with_images(leaf + h * way), [2, 1], net).sum()
            for h in (1e-6, -1e-6)
        )
    torch.testing.assert_close((gradient * way).sum(), (ahead - behind) / 2e-6, rtol=1e-5, atol=0)


def test_cutting_the_targets_changes_nothing(monkeypatch):
    real, examples = drawn(7, seed=0), drawn(2, seed=1)
    whole = matched(FeatureRegression(), real, examples, [2, 1])
    monkeypatch.setattr(features, "_TOGETHER", 5)
    torch.testing.assert_close(matched(FeatureRegression(), real, examples, [2, 1]), whole)


def test_losses_have_the_type_of_the_images():
    real, examples = drawn(7, seed=0), drawn(2, seed=1)
    real, single = (part.with_images(part.images.float()) for part in (real, examples))
    assert matched(FeatureRegression(), real, single, [2], network().float()).dtype == torch.float32


def test_a_ridge_that_is_none_is_refused(each):
    for regularisation in each([0.0, -1.0, float("nan"), float("inf")]):
        with pytest.raises(ConfigError, match="regularisation = "):
            FeatureRegression(regularisation=regularisation)
