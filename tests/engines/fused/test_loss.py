"""The fused loss against autograd through the network itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from condensery.engines.fused.loss import FusedLoss, can_train
from condensery.networks import build
from condensery.networks.convnet import ConvNet
from condensery.rng import stream

SHAPES = {  # name, channels, side
    "colour": ("convnet3-w32", 3, (16, 16)),
    "narrower than patches": ("convnet3-w8", 3, (16, 16)),
    "grey": ("convnet2-w10", 1, (8, 8)),
    "odd sides": ("convnet2-w28", 3, (13, 18)),
    "odd inside": ("convnet3-w12", 1, (10, 8)),
    "one block": ("convnet1-w33", 3, (4, 4)),
    "residual": ("resnetap10", 3, (16, 16)),
    "no convolution": ("mlp", 1, (8, 8)),
}


def network(shape: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Weights, scales and shifts away from their start, where scales are 1 and shifts 0."""
    name, channels, side = SHAPES[shape]
    built = build(name, channels=channels, classes=5, side=side, seed=0, path=())
    rng = stream(1, "test")
    for p in built.parameters():
        p.data += 0.2 * torch.randn(p.shape, generator=rng)
    return built.to(dtype)


def batch(
    shape: str, count: int = 7, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    _, channels, side = SHAPES[shape]
    rng = stream(2, "test")
    images = torch.randn(count, channels, *side, generator=rng, dtype=torch.float64)
    targets = torch.rand(count, 5, generator=rng, dtype=torch.float64)
    return images.to(dtype), (targets * 0.6).to(dtype)  # rows do not sum to 1


def by_autograd(
    net: nn.Module, images: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    loss = functional.cross_entropy(net(images), targets)
    names, parameters = zip(*net.named_parameters(), strict=True)
    return loss.detach(), dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


def plain(net: nn.Module, precision: str = "fp32") -> FusedLoss:
    return FusedLoss(net, precision=precision, compile=False)


@pytest.fixture
def small_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three examples at a time."""
    monkeypatch.setattr("condensery.engines.fused.loss.default_batch_size", lambda *_: 3)


def test_loss_and_every_gradient_are_those_of_autograd(each):
    for shape in each(SHAPES):
        net = network(shape)
        images, targets = batch(shape)

        loss, found = plain(net).gradients(images, targets)

        expected, gradients = by_autograd(net, images, targets)
        torch.testing.assert_close(loss, expected, rtol=1e-13, atol=0)
        assert found.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-13, msg=name)


def test_logits_are_those_of_the_network(each):
    for shape in each(SHAPES):
        net = network(shape)
        images, _ = batch(shape)

        torch.testing.assert_close(plain(net).logits(images), net(images), rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("small_sweeps")
def test_cutting_a_batch_into_sweeps_changes_nothing():
    net = network("colour")
    images, targets = batch("colour")
    sweep = plain(net)

    loss, found = sweep.gradients(images, targets)

    expected, gradients = by_autograd(net, images, targets)
    torch.testing.assert_close(loss, expected)
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-13, msg=name)
    torch.testing.assert_close(sweep.logits(images), net(images), rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("small_sweeps")
def test_a_call_leaves_nothing_for_the_next_one_whatever_its_length():
    net = network("colour")
    sweep = plain(net)
    for count in (4, 7, 1, 5):
        images, targets = batch("colour", count)
        sweep.logits(batch("colour", 9)[0])
        _, found = sweep.gradients(images, targets)
        fresh = plain(net).gradients(images, targets)[1]
        assert all(torch.equal(found[name], fresh[name]) for name in fresh)


def test_weights_are_read_anew_in_every_call():
    net = network("colour")
    sweep = plain(net)
    images, targets = batch("colour")
    sweep.gradients(images, targets)
    for p in net.parameters():
        p.data *= 1.5

    torch.testing.assert_close(
        sweep.gradients(images, targets)[0], by_autograd(net, images, targets)[0]
    )


def test_images_of_one_colour_have_finite_gradients():
    net = network("colour", torch.float32)
    images, targets = batch("colour", dtype=torch.float32)
    images[:3] = 40.0

    _, found = plain(net).gradients(images, targets)

    assert all(gradient.isfinite().all() for gradient in found.values())


def test_single_precision_agrees_to_a_thousandth():
    net = network("colour", torch.float32)
    images, targets = batch("colour", dtype=torch.float32)

    loss, found = plain(net).gradients(images, targets)

    expected, gradients = by_autograd(net, images, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    for name, gradient in gradients.items():
        if not name.endswith("conv.bias"):  # exactly 0; autograd gives rounding
            assert (found[name] - gradient).norm() < 1e-3 * gradient.norm(), name


def test_threads_that_share_a_batch_give_what_one_gives(each, threads):
    for count in each([1, 9, 26]):
        threads(1)
        net = network("colour")
        images, targets = batch("colour", count)
        loss, found = plain(net).gradients(images, targets)
        logits = plain(net).logits(images)

        threads(3)
        shared = plain(net)
        for _ in range(2):  # the second time with the memory of the first
            loss_, found_ = shared.gradients(images, targets)
            torch.testing.assert_close(loss_, loss, rtol=1e-13, atol=0)
            torch.testing.assert_close(found_, found, rtol=1e-10, atol=1e-13)
            torch.testing.assert_close(shared.logits(images), logits, rtol=1e-12, atol=1e-13)


def test_bfloat16_is_as_near_as_autocast_and_gives_single_precision():
    net = network("colour", torch.float32)
    images, targets = batch("colour", 64, dtype=torch.float32)

    loss, found = plain(net, "bf16").gradients(images, targets)

    expected, gradients = by_autograd(net, images, targets)
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(images)
    rough = functional.cross_entropy(logits.float(), targets)
    names = [name for name in gradients if not name.endswith("conv.bias")]
    near = dict(net.named_parameters())
    autocast = torch.autograd.grad(rough, [near[name] for name in names])
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=0)
    for name, other in zip(names, autocast, strict=True):
        assert found[name].dtype == torch.float32
        error = (found[name] - gradients[name]).norm()
        assert error < 0.15 * gradients[name].norm(), name
        assert error < 2 * (other - gradients[name]).norm() + 0.01 * gradients[name].norm(), name


def test_networks_of_supported_layers_and_one_width_can_be_trained():
    given = {"channels": 3, "classes": 5, "side": (8, 8), "depth": 2, "width": 4}
    changed = ConvNet(**given)
    changed.blocks[1].norm = nn.GroupNorm(2, 4)
    batch_norm = ConvNet(**given)
    batch_norm.blocks[0].norm = nn.BatchNorm2d(4)

    assert {shape for shape in SHAPES if not can_train(network(shape))} == {"residual"}
    assert not any(map(can_train, (changed, batch_norm, nn.LSTM(3, 5))))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_it_gives_the_same_for_every_length_and_is_compiled_once(precision: str):
    from torch._dynamo.utils import counters

    net = network("colour", torch.float32)
    fast = FusedLoss(net, precision=precision, compile=True)
    fast.gradients(*batch("colour", 5, torch.float32))
    graphs = counters["stats"]["unique_graphs"]
    for count in (8, 3, 2):
        images, targets = batch("colour", count, torch.float32)
        loss, found = fast.gradients(images, targets)
        expected, gradients = plain(net, precision).gradients(images, targets)
        torch.testing.assert_close(loss, expected, rtol=1e-2, atol=0)
        for name, gradient in gradients.items():
            tolerance = 1e-4 if precision == "fp32" else 2e-2
            assert (found[name] - gradient).norm() <= tolerance * gradient.norm(), name

    assert counters["stats"]["unique_graphs"] == graphs


def test_a_network_that_does_not_end_in_a_linear_layer_is_left_to_others():
    body = [nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    assert not can_train(nn.Sequential(*body))
    assert can_train(nn.Sequential(*body, nn.Linear(5, 5)))
