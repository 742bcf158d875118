"""LeNet: two 5x5 convolutions and three linear layers, without any norm.

Knows nothing about how it is trained or matched.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from condensery.errors import ConfigError


class LeNet(nn.Module):
    """Convolutions of 6 and 16 filters with ReLU and 2x2 max pooling, then 120, 84, classes.

    The first convolution pads 2 if images have one channel, so that 28x28 images give the same 5x5
    map as 32x32 images of three channels. The first linear layer accepts maps of other sides, too.

    Raises:
        ConfigError: If the image is so small that the last map is empty.

    Source:
        Zhao, Mopuri, Bilen 2021, *Dataset Condensation with Gradient Matching*,
        cross-architecture experiments (LeNet, after LeCun et al. 1998), as released. Differs:
        other sides than 28x28 and 32x32 are accepted, too.
    """

    def __init__(self, *, channels: int, classes: int, side: tuple[int, int]) -> None:
        super().__init__()
        padding = 2 if channels == 1 else 0
        cells = 1
        for length in side:
            left = ((length + 2 * padding - 4) // 2 - 4) // 2
            if left < 1:
                least = 16 - 2 * padding
                raise ConfigError(
                    f"network lenet needs images of at least {least}x{least} pixels with "
                    f"{channels} channel(s), got {side[0]}x{side[1]}: its unpadded convolutions "
                    "leave nothing of smaller ones. Use convnet1, or mlp."
                )
            cells *= left
        self.body = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.hidden = nn.Sequential(
            nn.Linear(16 * cells, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()
        )
        self.classifier = nn.Linear(84, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example hidden"]:
        """The second hidden layer."""
        return self.hidden(self.body(images).flatten(1))

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.features(images))
