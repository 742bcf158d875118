"""Features of any network, and which module mixes examples."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from condensery.errors import UnsupportedNetwork
from condensery.networks import build, features, features_and_logits, mixes_examples
from condensery.rng import global_stream, stream


def ours(name):
    return build(name, channels=3, classes=4, side=(32, 32), seed=0, path=("test",))


def images(count=3):
    return torch.randn(count, 3, 32, 32, generator=stream(0))


def users(*, last=True):
    """A network without a method ``features``."""
    with global_stream(0, "users"):
        parts = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        return nn.Sequential(*parts, *([nn.Linear(16, 7), nn.ReLU(), nn.Linear(7, 4)] * last))


def test_features_of_a_users_network_are_what_its_last_linear_layer_is_given():
    network = users()
    got = features(network, images())
    torch.testing.assert_close(got, network[:-1](images()))
    assert not network[-1]._forward_pre_hooks


def test_gradients_flow_through_the_features_of_a_users_network():
    shown = images().requires_grad_()
    features(users(), shown).sum().backward()
    assert bool((shown.grad != 0).any())


def test_a_submodule_called_features_is_not_taken_for_a_method():
    # As in torchvision's VGG, where it is only the convolutional part.
    class Vgg(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Flatten()
            self.hidden = nn.Linear(3072, 5)
            self.classifier = nn.Linear(5, 4)

        def forward(self, shown):
            return self.classifier(self.hidden(self.features(shown)))

    with global_stream(0):
        assert features(Vgg(), images()).shape == (3, 5)


def test_a_network_without_features_is_an_error_that_says_what_to_add():
    with pytest.raises(UnsupportedNetwork, match=r"features\(images\)"):
        features(users(last=False), images())


def test_features_of_several_blocks_stand_side_by_side_with_equal_weight():
    network, shown = ours("convnet3-w4"), images()
    maps = [network.blocks[: count + 1](shown).flatten(1) for count in range(3)]
    assert [each.shape[1] for each in maps] == [1024, 256, 64]
    expected = torch.cat([maps[2], maps[1] / 2, maps[0] / 4], dim=1)
    torch.testing.assert_close(features(network, shown, blocks=3), expected)
    torch.testing.assert_close(features(network, shown, blocks=2), expected[:, :320])
    found, logits = features_and_logits(network, shown, blocks=2)
    torch.testing.assert_close(found, expected[:, :320])
    torch.testing.assert_close(logits, network(shown))
    assert not any(block._forward_hooks for block in network.blocks)


def test_a_network_with_fewer_blocks_is_refused(each):
    for name, blocks, words in each(
        [("mlp", 2, "MLP has no nn.Sequential"), ("convnet3", 4, "ConvNet has 3. Use 1 to 3.")]
    ):
        with pytest.raises(UnsupportedNetwork, match=words):
            features(ours(name), images(), blocks=blocks)


def test_networks_with_instance_norm_or_none_do_not_mix(each):
    for name in each(["convnet3", "resnetap10", "resnet18-in", "vgg11", "alexnet", "lenet", "mlp"]):
        assert mixes_examples(ours(name)) is None


def test_batch_norm_mixes_in_train_mode_only(each):
    for name in each(["resnet10", "resnet18", "densenet", "vgg11-bn", "convnet2-bn"]):
        network = ours(name)
        found = mixes_examples(network)
        assert isinstance(network.get_submodule(found), nn.BatchNorm2d)
        assert mixes_examples(network.eval()) is None


def test_what_is_said_to_mix_does_and_what_is_not_does_not(each):
    for name in each(["convnet3", "resnetap10", "mlp", "resnet10", "densenet"]):
        network = ours(name).double()
        shown = images(4).double()
        others = torch.cat([shown[:1], 3 * shown[1:]])
        difference = (network(shown)[0] - network(others)[0]).abs().max()
        assert (difference > 1e-3) == (mixes_examples(network) is not None)


def test_the_first_module_is_named_by_its_path():
    network = nn.ModuleDict({"stem": nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3))})
    assert mixes_examples(network) == "stem.1"


def test_the_network_itself_can_be_what_mixes():
    assert mixes_examples(nn.BatchNorm1d(3)) == "network"


def test_batch_norm_without_running_statistics_mixes_in_eval_mode_too():
    network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)).eval()
    assert mixes_examples(network) == "0"


def test_dropout_counts_where_it_drops():
    assert mixes_examples(nn.Sequential(nn.Dropout(0.5))) == "0"
    assert mixes_examples(nn.Sequential(nn.Dropout(0.5)).eval()) is None
    assert mixes_examples(nn.Sequential(nn.Dropout(0.0), nn.Dropout2d(0.1))) == "1"


def test_instance_norm_does_not_mix():
    assert mixes_examples(nn.Sequential(nn.InstanceNorm2d(3, affine=True))) is None
