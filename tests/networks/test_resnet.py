"""ResNetAP-10, ResNet-10, ResNet-18, DenseNet and MLP: shapes, sizes, stems and first weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from condensery.errors import ConfigError
from condensery.networks import build, features
from condensery.rng import stream


def made(name, *, channels=3, classes=10, side=32):
    return build(
        name, channels=channels, classes=classes, side=(side, side), seed=0, path=("test",)
    )


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def basic_blocks(widths, counts, *, stem):
    """Parameters of a residual network without convolution biases, from its definition."""
    total, channels = stem + 2 * widths[0], widths[0]
    for stage, (width, blocks) in enumerate(zip(widths, counts, strict=True)):
        for block in range(blocks):
            total += 9 * channels * width + 9 * width * width + 4 * width
            if block == 0 and stage > 0:
                total += channels * width + 2 * width
            channels = width
    return total


def test_networks_have_the_number_of_parameters_of_their_definition(each):
    for name, side, wanted in each(
        [
            ("resnet18", 32, 11_173_962),
            ("resnet18", 128, 11_181_642),  # 11 689 512 with 1000 classes
            ("resnet18-in", 32, 11_173_962),
            ("densenet", 32, 1_000_618),
            ("mlp", 28, 3 * 28 * 28 * 128 + 128 + 128 * 128 + 128 + 1290),
            (
                "resnet10",
                32,
                basic_blocks((32, 64, 128, 256), (1, 1, 1, 1), stem=27 * 32) + 2570,
            ),
            (
                "resnetap10",
                128,
                basic_blocks((64, 128, 256, 512), (1, 1, 1, 1), stem=147 * 64) + 5130,
            ),
            (
                "resnetap10-w8",
                128,
                basic_blocks((8, 16, 32, 64), (1, 1, 1, 1), stem=147 * 8) + 650,
            ),
        ]
    ):
        assert count(made(name, side=side)) == wanted


def test_features_have_the_shape_of_the_last_map(each):
    for name, side, wanted in each(
        [
            ("resnetap10", 16, (512, 2, 2)),
            ("resnetap10", 32, (512, 4, 4)),
            ("resnetap10", 64, (512, 8, 8)),
            ("resnetap10", 96, (512, 3, 3)),
            ("resnetap10", 128, (512, 4, 4)),
            ("resnet10", 8, (256, 1, 1)),
            ("resnet10", 32, (256, 4, 4)),
            ("resnet10", 96, (256, 3, 3)),
            ("resnet18", 32, (512, 4, 4)),
            ("resnet18", 128, (512, 4, 4)),
            ("densenet", 32, (384, 4, 4)),
            ("densenet", 96, (384, 3, 3)),
            ("mlp", 28, (128,)),
        ]
    ):
        network = made(name, channels=1, side=side).eval()
        images = torch.randn(2, 1, side, side, generator=stream(0))
        with torch.no_grad():
            maps, logits = features(network, images), network(images)
            pooled = maps.mean(dim=(2, 3)) if maps.dim() == 4 else maps
            torch.testing.assert_close(network.classifier(pooled), logits)
        assert maps.shape == (2, *wanted)


def test_resnetap_halves_by_pooling_and_never_strides():
    network = made("resnetap10", side=128)
    assert all(m.stride == (1, 1) for m in network.modules() if isinstance(m, nn.Conv2d))
    stem = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    assert stem.weight.shape == (64, 3, 7, 7)


def test_a_resnetap_block_adds_two_convolutions_to_its_pooled_projection():
    block = made("resnetap10", side=16).stages[1][0].double()
    maps = torch.randn(2, 64, 6, 6, dtype=torch.float64, generator=stream(0))
    first, norm1, _, _, second, norm2 = block.body
    projection, _, norm3 = block.shortcut
    conv, pool = nn.functional.conv2d, nn.functional.avg_pool2d
    hidden = pool(norm1(conv(maps, first.weight, padding=1)).relu(), 2)
    skipped = norm3(pool(conv(maps, projection.weight), 2))
    wanted = (norm2(conv(hidden, second.weight, padding=1)) + skipped).relu()
    torch.testing.assert_close(block(maps), wanted, rtol=0, atol=1e-12)


def test_resnetap_starts_he_normal():
    network = made("resnetap10", side=96)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight
            wanted = math.sqrt(2 / (weight.shape[0] * weight.shape[2] * weight.shape[3]))
            assert abs(weight.std() / wanted - 1) < 5 / math.sqrt(2 * weight.numel())
            # Normal, not uniform: some weights are beyond every uniform of that spread.
            assert weight.abs().max() > 2.5 * wanted
        elif isinstance(module, nn.GroupNorm):
            assert bool((module.weight == 1).all())
            assert bool((module.bias == 0).all())


def test_resnetap_refuses_images_whose_last_map_is_one_pixel():
    with pytest.raises(ConfigError, match=r"at least 16x16 pixels, got 8x8"):
        made("resnetap10", side=8)


def test_resnet18_with_instance_norm_has_no_batch_norm_and_refuses_a_last_map_of_one_pixel():
    network = made("resnet18-in", side=9)
    kinds = {type(module) for module in network.modules()}
    assert nn.GroupNorm in kinds
    assert nn.BatchNorm2d not in kinds
    with pytest.raises(ConfigError, match=r"at least 9x9 pixels, got 8x8"):
        made("resnet18-in", side=8)


def test_the_stem_shrinks_images_from_96_pixels_on(each):
    for name in each(["resnet10", "resnet18", "densenet"]):

        def stem(side, name=name):
            return next(m for m in made(name, side=side).modules() if isinstance(m, nn.Conv2d))

        assert (stem(95).kernel_size, stem(95).stride) == ((3, 3), (1, 1))
        assert (stem(96).kernel_size, stem(96).stride) == ((7, 7), (2, 2))
