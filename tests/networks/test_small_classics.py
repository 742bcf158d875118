"""LeNet, AlexNet, VGG-11 and the batch-norm ConvNet: shapes, sizes, norms and refusals."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from condensery.errors import ConfigError
from condensery.networks import build, features
from condensery.rng import stream

CLASSICS = ("lenet", "alexnet", "vgg11", "vgg11-bn", "convnet3-w8-bn")


def made(name, *, channels=3, side=32, classes=10):
    side = side if isinstance(side, tuple) else (side, side)
    return build(name, channels=channels, classes=classes, side=side, seed=0, path=("test",))


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def conv(before, width, kernel):
    return before * width * kernel * kernel + width


def test_networks_have_the_number_of_parameters_of_their_definition(each):
    for name, channels, side, wanted in each(
        [
            ("lenet", 3, 32, 62_006),
            ("lenet", 1, 28, 61_706),  # LeNet-5 of every textbook
            ("alexnet", 3, 32, 1_872_202),
            ("vgg11", 3, 32, 9_231_114),
            ("vgg11-bn", 3, 32, 9_231_114),
            ("vgg11", 1, 28, 9_231_114 - 2 * 9 * 64),
            ("convnet3-bn", 3, 32, 320_010),
            (
                "alexnet",
                1,
                28,
                conv(1, 128, 5)
                + conv(128, 192, 5)
                + conv(192, 256, 3)
                + conv(256, 192, 3)
                + conv(192, 192, 3)
                + 10 * (192 * 16 + 1),
            ),
        ]
    ):
        assert count(made(name, channels=channels, side=side)) == wanted


def test_both_sides_and_both_kinds_of_images_are_taken(each):
    for name, side, channels in each(product(CLASSICS, [28, 32, (28, 36)], [1, 3])):
        network = made(name, channels=channels, side=side, classes=4).eval()
        shape = side if isinstance(side, tuple) else (side, side)
        images = torch.randn(2, channels, *shape, generator=stream(0))
        with torch.no_grad():
            seen, logits = features(network, images), network(images)
            torch.testing.assert_close(network.classifier(seen.flatten(1)), logits)
        assert logits.shape == (2, 4)
        assert bool((logits[0] != logits[1]).any())


def test_features_have_the_shape_of_the_last_map(each):
    for name, channels, side, wanted in each(
        [
            ("lenet", 3, 32, (84,)),
            ("alexnet", 1, 28, (192, 4, 4)),
            ("alexnet", 3, 32, (192, 4, 4)),
            ("vgg11", 1, 28, (512, 1, 1)),
            ("vgg11", 3, 28, (512, 1, 1)),
            ("vgg11", 3, 32, (512, 1, 1)),
            ("vgg11", 3, 64, (512, 2, 2)),
        ]
    ):
        images = torch.zeros(1, channels, side, side)
        assert features(made(name, channels=channels, side=side), images).shape == (1, *wanted)


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_grey_images_of_28_pixels_are_treated_as_32(name):
    """Padded by hand, the same network gives the same logits: only the border is different."""
    grey = made(name, channels=1, side=28)
    images = torch.randn(2, 1, 28, 28, generator=stream(0))
    first = next(m for m in grey.modules() if isinstance(m, nn.Conv2d))
    wanted = grey(images)
    first.padding = tuple(pad - 2 for pad in first.padding)
    torch.testing.assert_close(grey(nn.functional.pad(images, (2, 2, 2, 2))), wanted)


def test_the_norm_is_what_the_name_says():
    def norms(name):
        kinds = (nn.GroupNorm, nn.BatchNorm2d)
        return [type(m) for m in made(name).modules() if isinstance(m, kinds)]

    assert norms("vgg11") == 8 * [nn.GroupNorm]
    assert norms("vgg11-bn") == 8 * [nn.BatchNorm2d]
    assert norms("convnet3") == 3 * [nn.GroupNorm]
    assert norms("convnet3-bn") == 3 * [nn.BatchNorm2d]
    assert norms("alexnet") == norms("lenet") == []


def test_instance_norm_never_sees_a_single_pixel():
    network = made("vgg11")
    sizes = []
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.register_forward_pre_hook(lambda _, given: sizes.append(given[0].shape[2:]))
    network(torch.zeros(1, 3, 32, 32))
    assert min(sizes) == (2, 2)


def test_images_of_which_nothing_would_be_left_are_refused(each):
    for name, channels, side, words in each(
        [
            ("vgg11", 1, 8, "vgg11 needs images of at least 28x28 pixels, got 8x8"),
            ("vgg11", 3, 27, "vgg11 needs images of at least 28x28"),
            ("lenet", 1, 11, "lenet needs images of at least 12x12"),
            ("lenet", 3, 15, "lenet needs images of at least 16x16"),
            ("alexnet", 1, 3, "alexnet needs images of at least 4x4"),
            ("alexnet", 3, 7, "alexnet needs images of at least 8x8"),
        ]
    ):
        with pytest.raises(ConfigError, match=words):
            made(name, channels=channels, side=side)
        if name != "vgg11":  # one pixel more works
            made(name, channels=channels, side=side + 1)
