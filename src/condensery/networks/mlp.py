"""A multilayer perceptron with two hidden layers, for cross-architecture tests.

Knows nothing about how it is trained or matched.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Flatten, two hidden layers of ``width`` with ReLU, one linear layer.

    Source:
        Zhao, Mopuri, Bilen 2021, *Dataset Condensation with Gradient Matching*,
        cross-architecture experiments (MLP 128-128). Differs: nothing.
    """

    def __init__(
        self, *, channels: int, classes: int, side: tuple[int, int], width: int = 128
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * side[0] * side[1], width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(width, classes)

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example hidden"]:
        """The second hidden layer."""
        return self.hidden(images)

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example class_"]:
        """Logits."""
        return self.classifier(self.features(images))
