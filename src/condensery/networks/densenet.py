"""DenseNet for cross-architecture tests: growth 12, blocks of 6, 12, 24 and 16 layers, batch norm.

Knows nothing about how it is trained or matched.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """Norm, ReLU, 1x1 to four times the growth, norm, ReLU, 3x3; appended to the input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example grown height width"]:
        """Append ``growth`` new channels to those given."""
        return torch.cat([images, self.body(images)], dim=1)


class DenseNet(nn.Module):
    """Dense blocks with transitions that halve channels, height and width between them.

    Source:
        Huang et al. 2017, *Densely Connected Convolutional Networks*, DenseNet-BC, in the
        small form of the cross-architecture tables of Kim et al. 2022. Differs: from 96
        pixels on, the stem is 7x7 stride 2 with max pooling, as in Huang et al.; weights have the
        default initialisation of PyTorch.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int,
        side: tuple[int, int],
        growth: int = 12,
        blocks: tuple[int, ...] = (6, 12, 24, 16),
    ) -> None:
        super().__init__()
        width = 2 * growth
        parts: list[nn.Module] = []
        if min(side) >= 96:
            parts += [
                nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(3, stride=2, padding=1),
            ]
        else:
            parts.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        for block, layers in enumerate(blocks):
            if block:
                parts += [
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                    nn.Conv2d(width, width // 2, 1, bias=False),
                    nn.AvgPool2d(2),
                ]
                width //= 2
            for _ in range(layers):
                parts.append(DenseLayer(width, growth))
                width += growth
        parts += [nn.BatchNorm2d(width), nn.ReLU()]
        self.body = nn.Sequential(*parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter map_height map_width"]:
        """The map of the last block, before global pooling."""
        return self.body(images)

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.pool(self.features(images)).flatten(1))
