"""ConvNet-D: its numbers, its size, and how deep it can be."""

from __future__ import annotations

import pytest
import torch

from condensery.errors import ConfigError
from condensery.networks import build, features
from condensery.rng import stream


def made(name="convnet3", *, channels=3, classes=10, side=(32, 32), seed=0):
    return build(name, channels=channels, classes=classes, side=side, seed=seed, path=("test",))


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_convnet3_has_the_published_number_of_parameters(each):
    for channels, classes, side, wanted in each(
        [(3, 10, 32, 320_010), (3, 100, 32, 504_420), (1, 10, 28, 317_706)]
    ):
        assert count(made(channels=channels, classes=classes, side=(side, side))) == wanted


@pytest.mark.parametrize(("channels", "padding"), [(1, 3), (3, 1)])
def test_logits_follow_the_formula(channels, padding):
    network = made("convnet2-w5", channels=channels, side=(8, 10)).double()
    rng = stream(0)
    for parameter in network.parameters():  # norm weights off 1, biases off 0
        parameter.data += 0.1 * torch.randn(parameter.shape, dtype=torch.float64, generator=rng)
    images = torch.randn(2, channels, 8, 10, dtype=torch.float64, generator=rng)
    weights = dict(network.named_parameters())

    maps = images
    for block in range(2):
        kernel, bias = (weights[f"blocks.{block}.conv.{part}"] for part in ("weight", "bias"))
        edge = padding if block == 0 else 1
        height, width = maps.shape[2] + 2 * edge, maps.shape[3] + 2 * edge
        padded = torch.zeros(2, maps.shape[1], height, width, dtype=torch.float64)
        padded[:, :, edge : height - edge, edge : width - edge] = maps
        convolved = bias[None, :, None, None] + sum(
            torch.einsum(
                "nchw,oc->nohw",
                padded[:, :, i : i + height - 2, j : j + width - 2],
                kernel[:, :, i, j],
            )
            for i in range(3)
            for j in range(3)
        )
        mean = convolved.mean(dim=(2, 3), keepdim=True)
        spread = convolved.var(dim=(2, 3), keepdim=True, correction=0)
        gain, shift = (
            weights[f"blocks.{block}.norm.{part}"][None, :, None, None]
            for part in ("weight", "bias")
        )
        active = (gain * (convolved - mean) / (spread + 1e-5).sqrt() + shift).clamp(min=0)
        half = (active.shape[2] // 2 * 2, active.shape[3] // 2 * 2)
        active = active[:, :, : half[0], : half[1]]
        maps = sum(active[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4
    logits = maps.reshape(2, -1) @ weights["classifier.weight"].T + weights["classifier.bias"]

    torch.testing.assert_close(features(network, images), maps, rtol=0, atol=1e-12)
    torch.testing.assert_close(network(images), logits, rtol=0, atol=1e-12)


def test_digits_of_eight_pixels_fit_three_blocks():
    network = made(channels=1, side=(8, 8))
    images = torch.randn(2, 1, 8, 8, generator=stream(0))
    assert features(network, images).shape == (2, 128, 1, 1)
    assert network(images).shape == (2, 10)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_one_example_alone_gives_what_it_gives_in_a_batch(mode):
    network = made("convnet3-w8", channels=1, side=(8, 8)).double()
    getattr(network, mode)()
    images = torch.randn(3, 1, 8, 8, dtype=torch.float64, generator=stream(0))
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(alone, network(images), rtol=0, atol=1e-12)


def test_the_largest_depth_works_and_the_next_is_an_error_that_says_so(each):
    for channels, side, deepest in each(
        [(3, (32, 32), 5), (1, (28, 28), 5), (1, (8, 8), 3), (3, (9, 64), 3), (3, (64, 64), 6)]
    ):
        network = made(f"convnet{deepest}-w4", channels=channels, side=side)
        assert network(torch.zeros(1, channels, *side)).shape == (1, 10)
        with pytest.raises(ConfigError, match=f"largest depth that works is convnet{deepest}"):
            made(f"convnet{deepest + 1}-w4", channels=channels, side=side)


def test_images_of_one_pixel_are_sent_to_the_mlp():
    with pytest.raises(ConfigError, match="use mlp"):
        made("convnet1", side=(1, 1))


def test_the_width_suffix_sets_the_width_of_every_block():
    network = made("convnet4-w24")
    shapes = [tuple(p.shape) for p in network.parameters() if p.dim() == 4]
    assert shapes == [(24, 3, 3, 3)] + 3 * [(24, 24, 3, 3)]
