"""Networks of timm and torchvision, and clear words where one does not fit."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from condensery.errors import ConfigError
from condensery.networks import build

GIVEN = {"channels": 3, "classes": 4, "side": (32, 32)}


def made(network, *, seed=0, **changes):
    return build(network, **{**GIVEN, **changes}, seed=seed, path=("test",))


def bits(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_networks_of_other_packages_are_untrained_ones_that_the_seed_decides(each, timm):
    for name, channels in each(
        [
            ("timm:resnet18", 1),
            ("timm:vit_tiny_patch16_224", 3),
            ("torchvision:mobilenet_v3_small", 3),
        ]
    ):
        network = made(name, channels=channels)
        assert network.training
        assert network.eval()(torch.zeros(2, channels, 32, 32)).shape == (2, 4)
        assert torch.equal(bits(made(name, channels=channels)), bits(network))
        assert not torch.equal(bits(made(name, channels=channels, seed=1)), bits(network))


def test_a_network_that_does_not_fit_is_refused_with_what_does(each, timm):
    for name, changes, words in each(
        [
            ("timm:resnet81", {}, r"has no network 'resnet81'\. Did you mean 'resnet"),
            ("torchvision:resnet81", {}, r"no network 'resnet81'.*Did you mean 'resnet"),
            ("torchvision:fasterrcnn_resnet50_fpn", {}, "that classifies images"),
            ("torchvision:resnet18", {"channels": 1}, "are for 3 channels.*have 1.*timm:resnet18"),
            ("torchvision:vit_b_16", {"side": (28, 28)}, r"3 x 28 x 28.*indivisible.*--image-size"),
            ("timm:vit_tiny_patch16_224", {"side": (8, 8)}, r"8.*--image-size"),
            ("torchvision:alexnet", {"side": (8, 8)}, r"fails on images.*--image-size"),
        ]
    ):
        with pytest.raises(ConfigError, match=words):
            made(name, **changes)


def test_a_package_that_is_absent_or_broken_is_named(each, monkeypatch):
    class Broken(ModuleType):
        def __getattr__(self, name):
            raise RuntimeError("operator torchvision::nms does not exist")

    def find(name, *_):
        raise RuntimeError("operator torchvision::nms does not exist")

    for package in each(["timm", "torchvision"]):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            patch.setitem(sys.modules, f"{package}.models", None)
            with pytest.raises(ConfigError, match=rf"pip install 'condensery\[{package}\]'"):
                made(f"{package}:resnet18")
            patch.setattr("condensery.networks.libraries.import_module", find)
            with pytest.raises(ConfigError, match=r"torchvision::nms.*built for this torch"):
                made(f"{package}:resnet18")
