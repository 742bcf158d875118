"""The reference step is checked against SGD written out by hand in float64; the fast paths
(bfloat16, compiled) against the reference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from condensery.augment import Identity, PerExample, cutmix
from condensery.errors import ConfigError
from condensery.rng import global_stream, stream
from condensery.training import AdamWTraining, SGDTraining, Trainer

PLAIN = SGDTraining(augment=Identity(), cutmix=0.0, lr=0.1)
PLAIN_SIX = SGDTraining(augment=Identity(), cutmix=0.0, lr=0.1, batch=6)


def network(
    seed: int = 0, width: int = 8, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Module:
    with global_stream(seed, "network"):
        return nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.GroupNorm(width, width),
            activation(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(width * 16, 5),
        )


def batch(count: int = 6, step: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = stream(step, "batch")
    images = torch.randn(count, 3, 8, 8, generator=rng)
    return images, torch.randint(5, (count,), generator=rng)


def train(trainer: Trainer, steps: int = 4, seed: int = 0) -> list[torch.Tensor]:
    return [
        trainer.step(*batch(step=step), rng=stream(seed, "train", step)) for step in range(steps)
    ]


def state(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_a_step_is_sgd_with_momentum_and_weight_decay_written_out():
    net = network().double()
    naive = copy.deepcopy(net)
    trainer = Trainer(net, PLAIN)
    velocity = [torch.zeros_like(p) for p in naive.parameters()]
    for step, lr in enumerate([0.1, 0.1, 0.02]):
        images, labels = batch(step=step)
        images = images.double()
        trainer.set_lr(lr)
        loss = trainer.step(images, labels, rng=stream(0))

        logits = naive(images)
        expected = -(logits.softmax(1)[torch.arange(6), labels].log()).mean()
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=0)
        gradients = torch.autograd.grad(expected, list(naive.parameters()))
        for p, v, g in zip(naive.parameters(), velocity, gradients, strict=True):
            v.mul_(0.9).add_(g + 5e-4 * p.detach())
            p.data.sub_(lr * v)
    torch.testing.assert_close(state(net), state(naive), rtol=1e-11, atol=1e-13)


def test_the_steps_are_those_of_torch_bit_for_bit():
    net, reference = network(), network()
    trainer = Trainer(net, PLAIN)
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for step in range(5):
        images, labels = batch(step=step)
        trainer.step(images, labels, rng=stream(0))
        optimiser.zero_grad()
        functional.cross_entropy(reference(images), labels).backward()
        optimiser.step()

    assert torch.equal(state(net), state(reference))


def test_frozen_and_unused_parameters_stay_as_they_are():
    net = network()
    net.spare = nn.Parameter(torch.ones(3))
    net[0].weight.requires_grad_(False)
    net.forward = lambda images: net[5](net[4](net[3](net[2](net[1](net[0](images))))))
    before = net[0].weight.clone()
    train(Trainer(net, PLAIN))

    assert torch.equal(net.spare, torch.ones(3))
    assert torch.equal(net[0].weight, before)
    assert not torch.equal(net[0].bias, network()[0].bias)


def test_a_mixed_batch_weighs_both_labels_by_the_share_of_the_box():
    net = network().double()
    images, labels = batch()
    images = images.double()
    choices = SGDTraining(augment=Identity(), cutmix=1.0)
    mixed = cutmix(images, labels, probability=1.0, rng=stream(7, "mix"))
    assert 0 < mixed.ratio < 1
    with torch.no_grad():
        log = net(mixed.images).log_softmax(1)
    own = -log[torch.arange(6), mixed.labels].mean()
    partner = -log[torch.arange(6), mixed.partner_labels].mean()

    loss = Trainer(net, choices).step(images, labels, rng=stream(7, "mix"))

    expected = mixed.ratio * own + (1 - mixed.ratio) * partner
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


def test_the_network_is_shown_the_augmented_images():
    net = network()
    images, labels = batch()
    augment = PerExample(strategy="color_crop")
    seen = augment.draw(rng=stream(5, "augment"))(images)
    assert not torch.equal(seen, images)
    with torch.no_grad():
        expected = functional.cross_entropy(net(seen), labels)

    choices = SGDTraining(augment=augment, cutmix=0.0)
    loss = Trainer(net, choices).step(images, labels, rng=stream(5, "augment"))

    torch.testing.assert_close(loss, expected)


def test_labels_may_be_class_probabilities():
    images, labels = batch()
    hard, soft = network().double(), network().double()

    one = Trainer(hard, PLAIN).step(images.double(), labels, rng=stream(0))
    two = Trainer(soft, PLAIN).step(
        images.double(), functional.one_hot(labels, 5).double(), rng=stream(0)
    )

    torch.testing.assert_close(one, two)
    torch.testing.assert_close(state(hard), state(soft))


def test_the_same_streams_give_the_same_bits_whatever_the_global_state():
    first, second = network(), network()
    one = train(Trainer(first, SGDTraining()))
    with global_stream(99, "elsewhere"):
        before = torch.random.get_rng_state()
        two = train(Trainer(second, SGDTraining()))
        assert torch.equal(before, torch.random.get_rng_state())

    assert torch.equal(state(first), state(second))
    assert torch.equal(torch.stack(one), torch.stack(two))


def test_another_stream_gives_another_training():
    first, second = network(), network()
    train(Trainer(first, SGDTraining()))
    train(Trainer(second, SGDTraining()), seed=1)

    assert not torch.equal(state(first), state(second))


def test_the_images_given_are_not_changed():
    images, labels = batch()
    before = images.clone()
    Trainer(network(), SGDTraining(cutmix=1.0)).step(images, labels, rng=stream(1))

    assert torch.equal(images, before)


def test_bfloat16_follows_the_reference_and_keeps_fp32_weights():
    exact, fast = network(), network()
    one = torch.stack(train(Trainer(exact, PLAIN), steps=8))
    two = torch.stack(train(Trainer(fast, PLAIN, precision="bf16"), steps=8))

    assert {p.dtype for p in fast.parameters()} == {torch.float32}
    assert two.dtype == torch.float32
    assert not torch.equal(one, two)
    torch.testing.assert_close(one, two, rtol=2e-2, atol=2e-2)
    moved = (state(exact) - state(network())).norm()
    assert (state(exact) - state(fast)).norm() < 0.1 * moved


def test_an_unknown_precision_names_the_nearest_one():
    with pytest.raises(ConfigError, match="bf16"):
        Trainer(network(), PLAIN, precision="bf61")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_compiled_twin_follows_the_reference_and_is_compiled_once_for_all_networks(precision):
    from torch._dynamo.utils import counters

    unknown = partial(network, width=12, activation=nn.GELU)  # to the fused engine
    exact, fast = unknown(), unknown()
    one = torch.stack(train(Trainer(exact, PLAIN_SIX)))
    counters.clear()
    two = torch.stack(train(Trainer(fast, PLAIN_SIX, precision=precision, compiled=True)))
    compiled = counters["stats"]["unique_graphs"]
    for seed in range(1, 12):
        other = Trainer(unknown(seed), PLAIN_SIX, precision=precision, compiled=True)
        train(other, steps=1)

    assert compiled == 1
    assert counters["stats"]["unique_graphs"] == compiled
    tolerance = 1e-5 if precision == "fp32" else 2e-2
    torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


def test_adamw_is_that_of_torch():
    choices = AdamWTraining(
        augment=Identity(), cutmix=0.0, lr=0.01, momentum=0.8, decay=0.9, weight_decay=0.1
    )
    net = network().double()
    other = copy.deepcopy(net)
    trainer = Trainer(net, choices)
    reference = torch.optim.AdamW(
        other.parameters(), lr=0.01, betas=(0.8, 0.9), eps=choices.epsilon, weight_decay=0.1
    )
    for step, lr in enumerate([0.01, 0.01, 0.002]):
        images, labels = batch(step=step)
        trainer.set_lr(lr)
        trainer.step(images.double(), labels, rng=stream(0))
        for group in reference.param_groups:
            group["lr"] = lr
        reference.zero_grad()
        functional.cross_entropy(other(images.double()), labels).backward()
        reference.step()
    assert torch.allclose(
        state(net), state(other), atol=1e-9
    )  # Adam enlarges the rounding of gradients of 0


def test_the_squared_error_is_half_the_distance_to_centred_labels():
    net = network().double()
    trainer = Trainer(net, PLAIN, loss="squared-error")
    images, labels = batch()
    target = functional.one_hot(labels, 5) - 1 / 5
    expected = 0.5 * (net(images.double()) - target).square().sum() / len(labels)
    assert trainer.step(images.double(), labels, rng=stream(0)).item() == pytest.approx(
        expected.item()
    )


def test_a_teacher_labels_the_batch_as_the_network_sees_it():
    seen = []

    def teacher(images):
        seen.append(images.clone())
        return torch.full((len(images), 5), 0.2, dtype=images.dtype)

    net = network()
    trainer = Trainer(net, SGDTraining(cutmix=1.0, batch=6), teacher=teacher)
    images, labels = batch()
    loss = trainer.step(images, labels, rng=stream(0, "a"))
    (shown,) = seen
    assert not torch.equal(shown, images)
    with torch.no_grad():
        expected = functional.cross_entropy(network()(shown), torch.full((6, 5), 0.2))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ConfigError, match=r"loss = 'cross-entropi'.*mean 'cross-entropy'"):
        Trainer(network(), PLAIN, loss="cross-entropi")
