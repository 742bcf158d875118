"""Adam against a loop over numbers, and against torch's."""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.updates import Adam
from condensery.errors import ConfigError
from condensery.rng import stream

NOBODY = torch.zeros(1, dtype=torch.bool)


def numbers(*shape, seed=0):
    return torch.rand(shape, generator=stream(seed), dtype=torch.float64)


def stepped(update, images, gradients, frozen=NOBODY):
    state = update.init(images)
    for gradient in gradients:
        images, state = update.step(images, gradient, state, frozen=frozen)
    return images, state


def test_steps_follow_the_formula():
    images, gradients = numbers(3), numbers(5, 3, seed=1) - 0.5
    found, _ = stepped(Adam(lr=0.1, momentum=0.8, decay=0.95, epsilon=1e-3), images, gradients)
    for index in range(3):
        x, mean, square = images[index].item(), 0.0, 0.0
        for t, g in enumerate(gradients[:, index].tolist(), start=1):
            mean = 0.8 * mean + 0.2 * g
            square = 0.95 * square + 0.05 * g * g
            x -= 0.1 * (mean / (1 - 0.8**t)) / ((square / (1 - 0.95**t)) ** 0.5 + 1e-3)
        assert found[index].item() == pytest.approx(x, abs=1e-6)  # the count is float32


def test_steps_are_those_of_torch():
    images, gradients = numbers(2, 1, 2, 2), numbers(6, 2, 1, 2, 2, seed=1) - 0.5
    found, _ = stepped(Adam(lr=0.1), images, gradients)
    theirs = images.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99), eps=1e-12)
    for gradient in gradients:
        theirs.grad = gradient.clone()
        optimiser.step()
    assert (found - theirs.detach()).abs().max() < 1e-6


def test_the_step_does_not_depend_on_the_scale_of_the_loss():
    images, gradients = numbers(4), numbers(5, 4, seed=1) - 0.5
    one, scaled = (stepped(Adam(lr=0.1), images, k * gradients)[0] for k in (1, 1e-4))
    assert (one - scaled).abs().max() < 1e-6


def test_frozen_pixels_keep_their_bits_and_gather_no_moments():
    images, gradients = numbers(2, 1, 2, 2).float(), numbers(3, 2, 1, 2, 2, seed=1).float()
    frozen = torch.tensor([True, False])[:, None, None, None]
    moved, state = stepped(Adam(lr=0.1), images, gradients, frozen)
    free, _ = stepped(Adam(lr=0.1), images, gradients)
    assert torch.equal(moved[0], images[0])
    assert torch.equal(moved[1], free[1])
    assert not state["mean"][0].any()
    assert not state["square"][0].any()


def test_nothing_given_is_changed():
    images, gradient = numbers(3), numbers(3, seed=1)
    update = Adam(lr=0.1)
    state = update.init(images)
    given = {name: tensor.clone() for name, tensor in state.items()}
    before = images.clone()
    update.step(images, gradient, state, frozen=NOBODY)
    assert torch.equal(images, before)
    assert all(torch.equal(state[name], tensor) for name, tensor in given.items())


def test_choices_that_cannot_work_are_refused(each):
    for choice, said in each(
        [
            ({"lr": 0.0}, r"update\.lr"),
            ({"lr": float("nan")}, r"update\.lr"),
            ({"lr": float("inf")}, r"update\.lr"),
            ({"lr": 1.0, "momentum": 1.0}, r"update\.momentum"),
            ({"lr": 1.0, "decay": -0.1}, r"update\.decay"),
            ({"lr": 1.0, "epsilon": 0.0}, r"update\.epsilon"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            Adam(**choice)


def test_the_last_steps_of_a_run_are_a_fifth_as_long():
    images, gradient = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    frozen = torch.zeros(1, dtype=torch.bool)
    update = Adam(lr=0.1, final_drop=4)
    state = update.init(images)
    moved = [
        update.step(images, gradient, state, frozen=frozen, remaining=left)[0].flatten()[0].item()
        for left in (1.0, 0.26, 0.25, 0.01)
    ]
    assert moved == pytest.approx([-0.1, -0.1, -0.02, -0.02])
    constant = Adam(lr=0.1)
    assert constant.step(images, gradient, state, frozen=frozen, remaining=0.01)[0].min() < -0.09
