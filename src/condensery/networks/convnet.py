"""ConvNet-D: the network of the field, D blocks of convolution, norm, ReLU and average pooling.

Knows nothing about how it is trained or matched.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from condensery.errors import ConfigError
from condensery.networks.norms import Norm, instance_norm


class ConvBlock(nn.Module):
    """3x3 convolution, norm with affine weights, ReLU, 2x2 average pooling."""

    def __init__(self, channels: int, width: int, *, padding: int, norm: Norm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel_size=3, padding=padding)
        self.norm = norm(width)
        self.activation = nn.ReLU()
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter half_height half_width"]:
        """Map ``[example, channel, height, width]`` to half the height and width."""
        return self.pool(self.activation(self.norm(self.conv(images))))


class ConvNet(nn.Module):
    """``depth`` blocks of the same width, then one linear layer on the flattened map.

    The first convolution pads 3 instead of 1 when images have one channel, so that 28x28
    images are treated as 32x32.

    Source:
        Zhao, Mopuri, Bilen 2021, *Dataset Condensation with Gradient Matching*,
        implementation details ("ConvNet": depth 3, width 128, 32x32 images), and the field
        since; with batch norm as in the cross-architecture experiments of Zhao and Bilen 2021
        (DSA) and 2023 (DM). Differs: nothing.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int,
        side: tuple[int, int],
        depth: int,
        width: int,
        norm: Norm = instance_norm,
    ) -> None:
        super().__init__()
        padding = 3 if channels == 1 else 1
        grown = tuple(length + 2 * (padding - 1) for length in side)
        deepest = min(grown).bit_length() - 1
        if depth > deepest:
            raise ConfigError(
                f"network convnet{depth} halves the image {depth} times, which leaves nothing of "
                f"{side[0]}x{side[1]} images with {channels} channel(s). "
                + (
                    f"The largest depth that works is convnet{deepest}."
                    if deepest
                    else "No ConvNet works on images that small; use mlp."
                )
            )
        self.blocks = nn.Sequential(
            *(
                ConvBlock(
                    width if block else channels,
                    width,
                    padding=1 if block else padding,
                    norm=norm,
                )
                for block in range(depth)
            )
        )
        cells = (grown[0] >> depth) * (grown[1] >> depth)
        self.classifier = nn.Linear(width * cells, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter map_height map_width"]:
        """The map of the last block, after pooling."""
        return self.blocks(images)

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.features(images).flatten(1))
