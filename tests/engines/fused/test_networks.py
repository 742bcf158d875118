"""The fused engine on every kind of network that it knows, against the reference."""

from __future__ import annotations

import shutil
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from condensery.engines import Autograd, OnePass, choose
from condensery.engines.fused import Fused
from condensery.errors import UnsupportedNetwork
from condensery.networks import build
from condensery.networks.resnet import ResNet
from condensery.rng import global_stream, stream
from condensery.types import Groups

CLASSES = 3


def norm(width):
    return nn.GroupNorm(width, width)


def conv(channels, width, side=3, **choices):
    return nn.Conv2d(channels, width, side, padding=side // 2, **choices)


def ours(name):
    return lambda side: build(name, channels=3, classes=CLASSES, side=side, seed=0, path=("t",))


def resnet(stem, halve):
    def make(side):
        return ResNet(
            stem=stem(),
            blocks=(1, 1, 1, 1),
            widths=(4, 6, 6, 8),
            classes=CLASSES,
            halve=halve,
            norm=norm,
        )

    return make


def small_stem():
    return nn.Sequential(conv(3, 4, bias=False), norm(4), nn.ReLU())


def big_stem():
    return nn.Sequential(conv(3, 4, 7, bias=False), norm(4), nn.ReLU(), nn.AvgPool2d(4))


def chain(*layers):
    return lambda side: nn.Sequential(*(layer for make in layers for layer in make()))


def head(features):
    return lambda: (nn.Flatten(), nn.Linear(features, CLASSES))


class Released(nn.Module):
    """Written in calls, as many released networks are: a layer used twice, a tied weight."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.tied = nn.Conv2d(4, 4, 3, padding=1)
        self.tied.weight = self.twice.weight
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.head = nn.Linear(4 * 4, CLASSES)

    def forward(self, images):
        x = self.first(images)
        x = x + self.twice(F.relu(self.norm(x)))  # norm and ReLU before the convolution
        x = torch.add(x, self.tied(torch.relu(self.twice(x)))).relu()
        x = F.avg_pool2d(x, 4)
        return self.head(x.view(x.size(0), -1))


NETWORKS = {
    "resnetap, small stem": (resnet(small_stem, "pool"), 16),
    "resnetap, big stem": (resnet(big_stem, "pool"), 64),
    "resnet with strides": (resnet(small_stem, "stride"), 17),
    "mlp": (ours("mlp"), 6),
    "linear": (chain(head(3 * 6 * 6)), 6),
    "no norm": (
        chain(
            lambda: (conv(3, 5), nn.ReLU(), nn.AvgPool2d(2)),
            lambda: (conv(5, 6), nn.ReLU(), nn.AvgPool2d(2)),
            head(6 * 2 * 2),
        ),
        9,
    ),
    "no pool": (
        chain(
            lambda: (conv(3, 5, bias=False), norm(5), nn.ReLU()),
            lambda: (conv(5, 6, stride=2, bias=False), norm(6), nn.ReLU()),
            head(6 * 4 * 3),
        ),
        (8, 5),
    ),
    "no activation": (
        chain(lambda: (conv(3, 5, bias=False), norm(5), conv(5, 4, 5)), head(4 * 36)),
        6,
    ),
    "vgg": (
        chain(
            lambda: (conv(3, 5, bias=False), norm(5), nn.ReLU()),
            lambda: (conv(5, 5, bias=False), norm(5), nn.ReLU(), nn.AvgPool2d(2)),
            lambda: (conv(5, 6, bias=False), norm(6), nn.ReLU(), nn.AvgPool2d(3)),
            lambda: (nn.Flatten(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, CLASSES)),
        ),
        8,
    ),
    "odd kernels": (
        chain(
            lambda: (nn.Conv2d(3, 4, (2, 3), padding=(3, 0)), nn.ReLU()),
            lambda: (nn.Conv2d(4, 4, (1, 5), padding="same", bias=False),),
            lambda: (nn.GroupNorm(4, 4, affine=False),),
            lambda: (nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
            head(4),
        ),
        7,
    ),
    "released": (lambda side: Released(), 8),
}


def by_class(labels):
    return labels[None] == torch.arange(CLASSES)[:, None]


def nested(labels):
    of = by_class(labels)
    rank = (of.cumsum(dim=1) - 1).gather(0, labels[None])[0]
    return torch.cat([of, of & (rank < 1)])


def distance(metric, found, target):
    total = 0
    for g, t in zip(found.values(), target, strict=True):
        a, b = g.flatten(1), t.flatten(1)
        total += {
            "mse": lambda a, b: (a - b).square().sum(),
            "l1": lambda a, b: (a - b).abs().sum(),
            "cosine": lambda a, b: (1 - F.cosine_similarity(a, b, dim=1)).sum(),
        }[metric](a, b)
    return total


def error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def world(make, side, examples=7):
    side = (side, side) if isinstance(side, int) else side
    with global_stream(0, "networks"):
        net = make(side).double()
    rng = stream(0, "networks", *side)
    with torch.no_grad():
        for p in net.parameters():  # away from the special values that scales and shifts start at
            p += 0.1 * torch.randn(p.shape, generator=rng, dtype=p.dtype)
    images = torch.randn(examples, 3, *side, generator=rng, dtype=torch.float64)
    return net, images.requires_grad_(), torch.arange(examples) * CLASSES // examples


def matched(engine, net, images, labels, member, metric):
    groups = Groups(
        member=member, class_=torch.zeros(len(member), dtype=torch.int64), size=member.sum(dim=1)
    )
    names = [name for name, _ in net.named_parameters()]
    found = engine.gradients(net, images, labels, groups, names=names)
    rng = stream(0, "target")
    target = [0.1 * torch.randn(g.shape, generator=rng, dtype=g.dtype) for g in found.values()]
    loss = distance(metric, found, target)
    (image,) = torch.autograd.grad(loss, images)
    return {**{k: g.detach() for k, g in found.items()}, "loss": loss.detach(), "images": image}


def test_gradients_loss_and_image_gradient_equal_the_reference(each):
    for network, metric, structure in each(
        product(NETWORKS, ["mse", "l1", "cosine"], [by_class, nested])
    ):
        net, images, labels = world(*NETWORKS[network])
        member = structure(labels)
        found = matched(Fused(batch=4), net, images, labels, member, metric)
        expected = matched(Autograd(), net, images, labels, member, metric)
        assert expected["images"].flatten(1).any(dim=1).all()
        assert max(error(found[name], tensor) for name, tensor in expected.items()) < 1e-10


def test_resnetap10_itself_is_exact():
    net, images, labels = world(ours("resnetap10"), 16, examples=1)
    found, expected = (
        matched(engine, net, images, labels, torch.ones(1, 1, dtype=torch.bool), "mse")
        for engine in (Fused(), Autograd())
    )
    assert max(error(found[name], tensor) for name, tensor in expected.items()) < 1e-10


def test_features_and_their_image_gradient_equal_the_reference(each):
    for network in each(NETWORKS):
        net, images, _ = world(*NETWORKS[network])
        found, expected = (engine.features(net, images) for engine in (Fused(batch=4), Autograd()))
        assert error(found, expected) < 1e-12
        direction = torch.randn(expected.shape, generator=stream(0), dtype=torch.float64)
        gradients = [
            torch.autograd.grad((f * direction).sum() + (f**2).sum(), images)[0]
            for f in (found, expected)
        ]
        assert error(*gradients) < 1e-10


def test_features_and_logits_of_one_sweep_equal_the_reference(each):
    """Also where a pool behind the features is joined with a layer, so that two sweeps are made."""
    for network in each([*NETWORKS, "own method"]):
        net, images, *_ = world(*NETWORKS.get(network, (ours("convnet2-w4"), 8)))
        upstream = torch.randn(2, len(images), 10_000, generator=stream(4), dtype=torch.float64)
        parts = []
        for engine in (Fused(batch=4), Autograd()):
            seen, logits = engine.features_and_logits(net, images)
            assert torch.allclose(seen, engine.features(net, images))
            assert torch.allclose(logits, net(images), atol=1e-10)
            shares = upstream[0, :, : seen.shape[1]], upstream[1, :, : logits.shape[1]]
            (gradient,) = torch.autograd.grad([seen, logits], images, shares)
            parts.append(gradient)
        assert error(*parts) < 1e-9


class Stem(nn.Module):
    """Features that do not come from ``blocks`` alone."""

    def __init__(self, side):
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, 3, 1), ours("convnet2-w4")(side).blocks
        self.classifier = nn.Linear(4 * (side[0] // 4) ** 2, 3)

    def forward(self, images):
        return self.classifier(self.blocks(self.stem(images)).flatten(1))


def test_features_of_several_blocks_equal_the_reference(each):
    net, images, *_ = world(ours("convnet3-w4"), 8)
    upstream = torch.randn(2, len(images), 10_000, generator=stream(4), dtype=torch.float64)
    for blocks in each([1, 2, 3]):
        parts = []
        for engine in (Fused(batch=4), OnePass(), Autograd()):
            alone = engine.features(net, images, blocks=blocks)
            seen, logits = engine.features_and_logits(net, images, blocks=blocks)
            assert torch.allclose(seen, alone)
            shares = upstream[0, :, : seen.shape[1]], upstream[1, :, : logits.shape[1]]
            (gradient,) = torch.autograd.grad([seen, logits], images, shares)
            parts.append((seen, gradient))
        for part in parts[:-1]:
            assert error(part[0], parts[-1][0]) < 1e-12
            assert error(part[1], parts[-1][1]) < 1e-9


def test_features_of_blocks_behind_something_else_are_refused():
    net, images, *_ = world(Stem, 8)
    assert Autograd().features(net, images, blocks=2).shape == (len(images), 80)
    with pytest.raises(UnsupportedNetwork, match="do not come from its `blocks` alone"):
        Fused().features(net, images, blocks=2)


def test_bfloat16_points_the_same_way(each):
    for network in each(["resnetap, small stem", "mlp", "no norm", "vgg", "released"]):
        net, images, labels = world(*NETWORKS[network])
        net, images = net.float(), images.detach().float().requires_grad_()
        found = matched(Fused(precision="bf16"), net, images, labels, by_class(labels), "mse")
        expected = matched(Autograd(), net, images, labels, by_class(labels), "mse")
        for name in ("images", [name for name, _ in net.named_parameters()][-1]):
            a, b = found[name].flatten(), expected[name].flatten()
            assert F.cosine_similarity(a, b, dim=0) > 0.95, name


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="no C++ compiler")
def test_compiled_gates_equal_the_eager_ones():
    net, images, labels = world(*NETWORKS["released"])
    net, images = net.float(), images.detach().float().requires_grad_()
    found, expected = (
        matched(Fused(compile=compile_), net, images, labels, by_class(labels), "mse")
        for compile_ in (True, False)
    )
    for name, tensor in expected.items():
        assert error(found[name], tensor) < 1e-4, name


def test_the_fastest_engine_is_chosen_for_a_residual_network(each):
    for precision, compiled, name in each(
        [("fp32", True, "fused"), ("bf16", False, "fused"), ("fp32", False, "one-pass")]
    ):
        net, _, _ = world(*NETWORKS["resnetap, small stem"])
        assert choose("auto", net, precision, compiled=compiled).name == name


def test_a_network_with_an_unsupported_layer_gets_one_pass_and_the_reason_says_why():
    net = nn.Sequential(conv(3, 4), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, CLASSES))
    choice = choose("auto", net, "bf16", compiled=True)
    assert choice.name == "one-pass"
    assert "does not support" in choice.reason
