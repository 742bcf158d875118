"""VGG-11 in the small form of the condensation literature: eight convolutions, one linear layer.

Knows nothing about how it is trained or matched.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from condensery.errors import ConfigError
from condensery.networks.norms import Norm

_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""Filters of the convolutions; each stage ends with 2x2 max pooling."""


class VGG11(nn.Module):
    """Five stages of convolution, norm and ReLU, each ending with 2x2 max pooling.

    The first convolution pads 3 instead of 1 where images have one channel (as ConvNet does) or
    fewer than 32 pixels a side, so that 28x28 images are treated as 32x32.

    Raises:
        ConfigError: If the image is smaller than 28x28 pixels: the last convolutions would see
            a single pixel, which instance norm turns into a constant, and pooling would leave
            nothing.

    Source:
        Zhao, Mopuri, Bilen 2021, *Dataset Condensation with Gradient Matching*,
        cross-architecture experiments (VGG-11 with instance norm, after Simonyan and Zisserman
        2015), as released. Differs: colour images of 28 to 31 pixels are padded, too; from 64
        pixels on the linear layer takes the flattened map.
    """

    def __init__(self, *, channels: int, classes: int, side: tuple[int, int], norm: Norm) -> None:
        super().__init__()
        if min(side) < 28:
            raise ConfigError(
                f"network vgg11 needs images of at least 28x28 pixels, got {side[0]}x{side[1]}: "
                "it halves them 5 times. Use convnet3, alexnet or mlp."
            )
        border = 2 if channels == 1 or min(side) < 32 else 0
        parts: list[nn.Module] = []
        before = channels
        for stage in _STAGES:
            for width in stage:
                padding = 1 if parts else 1 + border
                parts += [nn.Conv2d(before, width, 3, padding=padding), norm(width), nn.ReLU()]
                before = width
            parts.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*parts)
        height, width = ((length + 2 * border) >> len(_STAGES) for length in side)
        self.classifier = nn.Linear(before * height * width, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter map_height map_width"]:
        """The map of the last stage, after pooling."""
        return self.body(images)

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.features(images).flatten(1))
