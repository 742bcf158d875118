"""The image step against loops over numbers."""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.updates import SGD, sgd_for_all_classes
from condensery.errors import ConfigError
from condensery.rng import stream

NOBODY = torch.zeros(1, dtype=torch.bool)


def numbers(*shape, seed=0):
    return torch.rand(shape, generator=stream(seed), dtype=torch.float64)


def test_steps_follow_the_formula():
    images, gradients = numbers(2, 1, 2, 2), numbers(4, 2, 1, 2, 2, seed=1) - 0.5
    update = SGD(lr=0.3, momentum=0.7)
    found, state = images, update.init(images)
    for gradient in gradients:
        found, state = update.step(found, gradient, state, frozen=NOBODY)
    for index in range(images.numel()):
        x, v = images.flatten()[index].item(), 0.0
        for gradient in gradients:
            v = 0.7 * v + gradient.flatten()[index].item()
            x = x - 0.3 * v
        assert found.flatten()[index].item() == pytest.approx(x, abs=1e-14)
        assert state["velocity"].flatten()[index].item() == pytest.approx(v, abs=1e-14)


def test_frozen_pixels_keep_their_bits_and_lose_their_velocity():
    images, gradient = numbers(2, 1, 2, 2).float(), numbers(2, 1, 2, 2, seed=1).float()
    frozen = torch.tensor([True, False])[:, None, None, None]
    update = SGD(lr=0.3, momentum=0.9)
    state = {"velocity": torch.ones_like(images)}
    moved, after = update.step(images, gradient, state, frozen=frozen)
    assert torch.equal(moved[0], images[0])
    assert (moved[1] != images[1]).all()
    assert not after["velocity"][0].any()
    assert torch.equal(after["velocity"][1], 0.9 + gradient[1])


def test_nothing_given_is_changed():
    images, gradient = numbers(1, 1, 2, 2), numbers(1, 1, 2, 2, seed=1)
    update = SGD(lr=0.3, momentum=0.9)
    state = update.init(images)
    given = [tensor.clone() for tensor in (images, gradient, state["velocity"])]
    update.step(images, gradient, state, frozen=NOBODY)
    for before, after in zip(given, (images, gradient, state["velocity"]), strict=True):
        assert torch.equal(before, after)
    assert not state["velocity"].any()


def test_a_joint_step_is_a_step_per_class_on_one_shared_buffer(each):
    """Loop: class after class, the gradient is zero for all others, all share the momentum."""
    for momentum, classes in each([(0.5, 10), (0.9, 3), (0.0, 5), (0.5, 1)]):
        images = numbers(classes)
        gradients = numbers(3, classes, seed=2) - 0.5
        x, v = images.clone(), torch.zeros(classes, dtype=torch.float64)
        seen = []  # of class c: where it stands when it is visited again
        for sweep in range(3):
            at_visit = torch.empty(classes, dtype=torch.float64)
            for c in range(classes):
                at_visit[c] = x[c]
                one = torch.zeros(classes, dtype=torch.float64)
                one[c] = gradients[sweep, c]
                v = momentum * v + one
                x = x - 0.2 * v
            seen.append(at_visit)
        update = sgd_for_all_classes(lr=0.2, momentum=momentum, classes=classes)
        found, state = images, update.init(images)
        for sweep in range(2):
            found, state = update.step(found, gradients[sweep], state, frozen=NOBODY)
            assert (found - seen[sweep + 1]).abs().max() < 1e-14


def test_a_learning_rate_that_cannot_work_is_refused(each):
    for lr in each([0.0, -1.0, float("nan"), float("inf")]):
        with pytest.raises(ConfigError, match=r"update\.lr"):
            SGD(lr=lr)


def test_a_momentum_outside_its_range_is_refused(each):
    for momentum in each([-0.1, 1.0, float("nan")]):
        with pytest.raises(ConfigError, match=r"update\.momentum"):
            SGD(lr=1, momentum=momentum)
