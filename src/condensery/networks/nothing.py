"""The placeholder of a network for methods without a network."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class IdentityNetwork(nn.Module):
    """A network without parameters, whose features are the images."""

    def features(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example channel height width"]:
        """The images."""
        return images

    def forward(
        self, images: Float[Tensor, "example channel height width"]
    ) -> Float[Tensor, "example channel height width"]:
        """The images: there are no logits."""
        return images
