"""Networks by name: reproducible, and wrong names and factories told apart."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from torch import nn

from condensery.errors import ConfigError
from condensery.networks import build, known_networks

GIVEN = {"channels": 1, "classes": 4, "side": (16, 16)}


def made(network, *, seed=0, path=("test",), **changes):
    return build(network, **{**GIVEN, **changes}, seed=seed, path=path)


def bits(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


class Own(nn.Module):
    """A user's network with batch norm and dropout."""

    def __init__(self, channels, classes, side):
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * side[0] * side[1], 6), nn.BatchNorm1d(6)
        )
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, classes)

    def forward(self, images):
        return self.head(self.drop(self.body(images)))


@pytest.fixture
def module():
    """A module of a user, importable as ``users_networks``."""
    module = types.ModuleType("users_networks")
    module.factory = Own
    module.number = 3
    module.group = types.SimpleNamespace(inner=Own)
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_every_known_name_builds_a_network_in_train_mode_with_a_logit_per_class(each):
    for name in each(known_networks()):
        network = made(name, channels=3, side=(256, 256) if name == "convnet8" else (128, 128))
        assert network.training
        assert network.classifier.out_features == 4


def test_weights_depend_on_seed_and_path_alone(each):
    for name in each(["convnet3", "resnetap10", "resnet10", "densenet", "mlp"]):
        first = bits(made(name))
        nn.Linear(3, 3)
        assert torch.equal(bits(made(name)), first)
        assert not torch.equal(bits(made(name, seed=1)), first)
        assert not torch.equal(bits(made(name, path=("test", 1))), first)


def test_the_global_random_state_is_left_alone(each):
    for network in each(["convnet3", "resnetap10", Own]):
        before = torch.random.get_rng_state()
        made(network)
        assert torch.equal(torch.random.get_rng_state(), before)


def test_an_unknown_name_is_an_error_with_the_nearest_known():
    with pytest.raises(ConfigError, match=r"'resnet81' is not known. Did you mean 'resnet18'"):
        made("resnet81")


def test_a_convnet_without_a_possible_depth_or_width_is_an_error(each):
    for name in each(
        [
            "convnet0",
            "convnet9",
            "convnet3-w0",
            "convnet3-w",
            "convnet",
            "convnet3-bn-w8",
            "convnet3-in",
        ]
    ):
        with pytest.raises(ConfigError, match="is not known"):
            made(name)


def test_a_factory_of_a_user_is_found_by_its_dotted_name(module):
    given = bits(made("users_networks:factory"))
    assert torch.equal(given, bits(made(Own)))
    assert torch.equal(given, bits(made("users_networks:group.inner")))


def test_looking_at_a_users_network_changes_nothing_in_it():
    network = made(Own)
    assert all(module.training for module in network.modules())
    assert int(network.body[2].num_batches_tracked) == 0
    assert all(p.grad is None for p in network.parameters())


def frozen(channels, classes, side):
    """A network whose norm is kept in eval mode on purpose."""
    network = Own(channels, classes, side)
    network.body[2].eval()
    return network


def test_modes_that_a_user_chose_are_kept():
    network = made(frozen)
    assert network.training
    assert not network.body[2].training


def test_a_module_that_cannot_be_imported_is_named_with_the_reason(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"'no_such_package.nets' cannot be imported.*PYTHONPATH"):
        made("no_such_package.nets:factory")
    (tmp_path / "broken_networks.py").write_text("raise RuntimeError('out of luck')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"RuntimeError: out of luck"):
        made("broken_networks:factory")


def test_a_missing_attribute_is_an_error_with_the_nearest(module):
    with pytest.raises(ConfigError, match=r"has no 'factry'. Did you mean 'factory'"):
        made("users_networks:factry")


@pytest.mark.parametrize("name", ["users_networks:", ":factory"])
def test_half_a_name_is_an_error(module, name):
    with pytest.raises(ConfigError, match=r"package.module:factory"):
        made(name)


def test_something_that_is_not_a_factory_is_an_error(module):
    with pytest.raises(ConfigError, match=r"of type int, not a factory"):
        made("users_networks:number")


def test_a_network_instead_of_a_factory_is_an_error():
    with pytest.raises(ConfigError, match=r"of type Linear, not a factory"):
        made(nn.Linear(2, 2))


def test_a_factory_with_other_parameters_is_an_error_that_says_how_it_is_called():
    with pytest.raises(ConfigError, match=r"factory\(channels=, classes=, side="):
        made(lambda classes: nn.Linear(3, classes))


def test_a_factory_that_returns_no_module_is_an_error():
    with pytest.raises(ConfigError, match=r"returned str, which is not an nn.Module"):
        made(lambda channels, classes, side: "network")


def test_a_network_that_fails_on_such_images_is_an_error_with_the_reason():
    with pytest.raises(ConfigError, match=r"fails on images of shape \[2, 1, 16, 16\].*5"):
        made(lambda channels, classes, side: nn.Sequential(nn.Flatten(), nn.Linear(5, classes)))


@pytest.mark.parametrize("logits", [3, 5])
def test_an_output_of_another_shape_is_an_error(logits):
    with pytest.raises(ConfigError, match=rf"to \[2, {logits}\], not to one logit per class"):
        made(lambda channels, classes, side: nn.Sequential(nn.Flatten(), nn.Linear(256, logits)))
