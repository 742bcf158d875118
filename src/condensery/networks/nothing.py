"""What stands in the place of a network where a method has none."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["IdentityNetwork"]


class IdentityNetwork(nn.Module):
    """Nothing to train, nothing to draw; its features are the images themselves."""

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
