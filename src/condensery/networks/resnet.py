"""Residual networks: ResNetAP-10 with instance norm, ResNet-10, ResNet-18 with either norm.

Knows nothing about how they are trained or matched.
"""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from condensery.errors import ConfigError
from condensery.networks.norms import Norm, batch_norm, instance_norm

BIG = 96
"""Images of at least this many pixels on their shorter side get the ImageNet stem."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with norm, added to the input (or to its 1x1 projection).

    ``halve`` is how the first block of a stage halves the map: ``"stride"`` in the
    convolutions, ``"pool"`` by 2x2 average pooling behind stride-1 convolutions, or ``"no"``.
    """

    def __init__(self, channels: int, width: int, *, halve: str, norm: Norm) -> None:
        super().__init__()
        stride = 2 if halve == "stride" else 1
        pool = nn.AvgPool2d(2) if halve == "pool" else nn.Identity()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
            norm(width),
            nn.ReLU(),
            pool,
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            norm(width),
        )
        same = halve == "no" and channels == width
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), pool, norm(width)
            )
        )
        self.activation = nn.ReLU()

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter map_height map_width"]:
        """The shortcut plus the result of two convolutions."""
        return self.activation(self.body(images) + self.shortcut(images))


class ResNet(nn.Module):
    """A stem, four stages of basic blocks, global average pooling, one linear layer."""

    def __init__(
        self,
        *,
        stem: nn.Module,
        blocks: tuple[int, int, int, int],
        widths: tuple[int, int, int, int],
        classes: int,
        halve: str,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.stem = stem
        channels = widths[0]
        stages: list[nn.Module] = []
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            parts: list[nn.Module] = []
            for block in range(count):
                how = halve if stage and not block else "no"
                parts.append(BasicBlock(channels, width, halve=how, norm=norm))
                channels = width
            stages.append(nn.Sequential(*parts))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter map_height map_width"]:
        """The map of the fourth stage, before global pooling."""
        return self.stages(self.stem(images))

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.pool(self.features(images)).flatten(1))


def _small_stem(channels: int, width: int, norm: Norm) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False), norm(width), nn.ReLU()
    )


def resnet_ap10(*, channels: int, classes: int, side: tuple[int, int], width: int = 64) -> ResNet:
    """ResNetAP-10: stages of one block, every stride a stride-1 convolution and a pooling.

    Convolutions are drawn He-normal (fan-out); norm weights start at 1, biases at 0. ``width`` is
    the width of the stem and the first stage; every further stage is twice as wide.

    Raises:
        ConfigError: If the image is smaller than 16 pixels: the last map would be a single
            pixel, which instance norm turns into a constant.

    Source:
        Kim et al. 2022, *Dataset Condensation via Efficient Synthetic-Data Parameterization*,
        ImageNet experiments (ResNetAP-10): 7x7 stride-1 stem and 4x4 average pooling.
        Differs: below 96 pixels, where the paper does not use it, the stem is a 3x3
        stride-1 convolution without pooling (the original would leave a map of one pixel
        of a 32x32 image).
    """
    if min(side) < 16:
        raise ConfigError(
            f"network resnetap10 needs images of at least 16x16 pixels, got {side[0]}x{side[1]}: "
            "its last map would be one pixel, which instance norm turns into a constant. "
            "Use convnet3, or mlp."
        )
    if min(side) >= BIG:
        stem = nn.Sequential(
            nn.Conv2d(channels, width, 7, padding=3, bias=False),
            instance_norm(width),
            nn.ReLU(),
            nn.AvgPool2d(4),
        )
    else:
        stem = _small_stem(channels, width, instance_norm)
    network = ResNet(
        stem=stem,
        blocks=(1, 1, 1, 1),
        widths=(width, 2 * width, 4 * width, 8 * width),
        classes=classes,
        halve="pool",
        norm=instance_norm,
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    return network


def _strided(
    blocks: tuple[int, int, int, int],
    widths: tuple[int, int, int, int],
    *,
    channels: int,
    classes: int,
    side: tuple[int, int],
    norm: Norm,
) -> ResNet:
    if min(side) >= BIG:
        stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 7, stride=2, padding=3, bias=False),
            norm(widths[0]),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
    else:
        stem = _small_stem(channels, widths[0], norm)
    return ResNet(
        stem=stem,
        blocks=blocks,
        widths=widths,
        classes=classes,
        halve="stride",
        norm=norm,
    )


def resnet10(*, channels: int, classes: int, side: tuple[int, int]) -> ResNet:
    """ResNet-10, thin: one block per stage, widths 32/64/128/256, batch norm.

    Source:
        Kim et al. 2022, cross-architecture experiments (CIFAR). Differs: from 96 pixels on, it has
        the ImageNet stem of ResNet-18; weights have the default initialisation of PyTorch.
    """
    return _strided(
        (1, 1, 1, 1),
        (32, 64, 128, 256),
        channels=channels,
        classes=classes,
        side=side,
        norm=batch_norm,
    )


def resnet18(
    *, channels: int, classes: int, side: tuple[int, int], norm: Norm = batch_norm
) -> ResNet:
    """ResNet-18: two blocks per stage, widths 64/128/256/512, batch norm or another one.

    The stem is 3x3 stride 1 below 96 pixels, and 7x7 stride 2 with max pooling from there on.

    Raises:
        ConfigError: With instance norm, if the last map would be one pixel.

    Source:
        He, Zhang, Ren, Sun 2016, *Deep Residual Learning* (18 layers); with instance norm as in
        the cross-architecture experiments of Zhao, Mopuri, Bilen 2021. Differs: weights have the
        default initialisation of PyTorch.
    """
    if norm is instance_norm and min(side) < 9:
        raise ConfigError(
            f"network resnet18-in needs images of at least 9x9 pixels, got {side[0]}x{side[1]}: "
            "its last map would be one pixel, which instance norm turns into a constant. Use "
            "resnet18, or convnet3."
        )
    return _strided(
        (2, 2, 2, 2),
        (64, 128, 256, 512),
        channels=channels,
        classes=classes,
        side=side,
        norm=norm,
    )
