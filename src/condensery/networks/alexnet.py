"""AlexNet in the small form of the condensation literature: five convolutions, no norm.

Knows nothing about how it is trained or matched.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from condensery.errors import ConfigError


class AlexNet(nn.Module):
    """Convolutions of 128, 192, 256, 192 and 192 filters with ReLU, then one linear layer.

    The first two are 5x5, the others 3x3; 2x2 max pooling stands behind the first, the second
    and the last. The first convolution pads 4 instead of 2 where images have one channel, so
    that 28x28 images are treated as 32x32.

    Raises:
        ConfigError: If nothing is left of the image.

    Source:
        Zhao, Mopuri, Bilen 2021, *Dataset Condensation with Gradient Matching*,
        cross-architecture experiments (AlexNet, after Krizhevsky et al. 2012), as released.
        Differs: other sides than 28x28 and 32x32 are taken, too.
    """

    def __init__(self, *, channels: int, classes: int, side: tuple[int, int]) -> None:
        super().__init__()
        border = 2 if channels == 1 else 0
        height, width = ((length + 2 * border) >> 3 for length in side)
        if not height * width:
            least = 8 - 2 * border
            raise ConfigError(
                f"network alexnet needs images of at least {least}x{least} pixels with {channels} "
                f"channel(s), got {side[0]}x{side[1]}: it halves them 3 times. Use convnet1, or "
                "mlp."
            )
        self.body = nn.Sequential(
            nn.Conv2d(channels, 128, 5, padding=2 + border),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(128, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(192, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 192, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(192, 192, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(192 * height * width, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example filter map_height map_width"]:
        """The map of the last convolution, after pooling."""
        return self.body(images)

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.features(images).flatten(1))
