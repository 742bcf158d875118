"""The first block from products of patches against the two layers that it replaces."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from condensery.engines.fused.first_block import FirstBlock
from condensery.engines.fused.layers import Piece
from condensery.engines.fused.plan import plan
from condensery.engines.fused.sweep import Gradients, Weights, forward, forward_backward
from condensery.rng import global_stream, stream

FIRST = {
    "as in a ConvNet": (
        nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(32, 32), nn.ReLU(), nn.AvgPool2d(2)
    ),
    "with strides": (nn.Conv2d(2, 24, (3, 2), stride=2), nn.GroupNorm(24, 24), nn.ReLU()),
    "without scale, shift and ReLU": (
        nn.Conv2d(3, 40, 3), nn.InstanceNorm2d(40), nn.AvgPool2d(3)
    ),
    "with patches that fill a tile": (nn.Conv2d(32, 40, 1), nn.GroupNorm(40, 40), nn.ReLU()),
    "with many patches": (nn.Conv2d(2, 60, 5, padding=2), nn.GroupNorm(60, 60), nn.ReLU()),
}  # fmt: skip


def network(first: tuple[nn.Module, ...]) -> nn.Module:
    with global_stream(0, "network"):
        width = first[0].out_channels
        rest = (nn.Conv2d(width, 4, 3), nn.GroupNorm(4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        net = nn.Sequential(*first, *rest, nn.Flatten(), nn.Linear(4, 5)).double()
    rng = stream(1, "test")
    for p in net.parameters():
        p.data += 0.2 * torch.randn(p.shape, generator=rng, dtype=p.dtype)
    return net


def weights_of(net: nn.Module) -> Weights:
    return Weights.of(net, plan(net), like=torch.empty(0, dtype=torch.float64))


def gradients(net: nn.Module, *, save: bool) -> Gradients:
    rng = stream(2, "test")
    images = torch.randn(7, net[0].in_channels, 13, 14, generator=rng, dtype=torch.float64)
    targets = torch.rand(7, 5, generator=rng, dtype=torch.float64)
    pieces = [Piece(cell=0, start=0, stop=3), Piece(cell=1, start=3, stop=7)]
    names = [name for name, _ in net.named_parameters()]
    with torch.no_grad():
        return forward_backward(weights_of(net), images, targets, pieces, names=names, save=save)


@pytest.mark.parametrize("first", FIRST)
def test_gradients_of_every_piece_are_those_of_the_two_layers(first: str):
    net = network(FIRST[first])
    assert isinstance(weights_of(net).without_image_gradient[0], FirstBlock)
    assert not isinstance(weights_of(net).layers[0], FirstBlock)

    first_block, two_layers = gradients(net, save=False), gradients(net, save=True)

    torch.testing.assert_close(first_block.loss, two_layers.loss, rtol=1e-12, atol=0)
    for one, other in zip(first_block.of_piece, two_layers.of_piece, strict=True):
        assert one.keys() == other.keys()
        for name, gradient in other.items():
            torch.testing.assert_close(one[name], gradient, rtol=1e-9, atol=1e-12, msg=name)


def test_an_image_of_one_colour_has_no_variance_that_rounding_makes_negative():
    conv = nn.Conv2d(3, 32, 1)  # no border, so that each of its maps is one number
    net = network((conv, nn.GroupNorm(32, 32), nn.ReLU())).float()
    images = torch.linspace(10, 300, 8)[:, None, None, None].expand(-1, 3, 8, 8)
    with torch.no_grad():
        weights = Weights.of(net, plan(net), like=images)
        last, (block, *_) = forward(weights, images, image_gradient=False)

    assert isinstance(block, FirstBlock)
    var = (block.w * block.mw).sum(dim=1) - block.mean * block.mean
    assert (var < -block.norm.eps).any()  # it does
    assert last.isfinite().all()


def test_only_gradients_that_are_wanted_are_computed():
    net = network(FIRST["as in a ConvNet"])
    (block, *_), images = (
        weights_of(net).without_image_gradient,
        torch.ones(2, 4, 4, 3, dtype=torch.float64),
    )
    p = block.forward(images)
    block.backward(p, input_gradient=False)

    assert block.weight_gradient(slice(0, 2), ["1.bias"]).keys() == {"1.bias"}


def test_a_first_map_no_wider_than_its_patches_is_not_replaced():
    def first(width: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(3, width, 3), nn.GroupNorm(width, width), nn.ReLU()

    assert isinstance(weights_of(network(first(28))).without_image_gradient[0], FirstBlock)
    assert not isinstance(weights_of(network(first(27))).without_image_gradient[0], FirstBlock)


def test_a_first_map_that_another_layer_reads_too_is_not_replaced():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(16, 16)
            self.flatten, self.head = nn.Flatten(), nn.Linear(16 * 4 * 4, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            z = self.conv(images)
            return self.head(self.flatten(self.norm(z) + z))

    assert not isinstance(weights_of(Twice().double()).without_image_gradient[0], FirstBlock)
