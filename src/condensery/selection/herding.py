"""Herding: images whose mean stays close to the mean of their class.

Knows nothing about how features are computed.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from condensery.clustering import following_means


def herding(features: Float[Tensor, "image feature"], *, count: int) -> Int[Tensor, "image"]:
    """The herding order: the mean of every prefix is close to the mean of all images.

    Image ``k`` (from 0) is the unused image that minimises
    ``|(k + 1) * mean - sum of the used ones - its own|``; the first one in case of a tie.

    Args:
        features: Features of the images of one class.
        count: Number of images to choose, in 0..images.

    Returns:
        Positions ``[count]`` in order of selection.

    Raises:
        ConfigError: If there are fewer than ``count`` images.

    Source:
        Welling 2009, *Herding Dynamical Weights to Learn*, as in the coreset baseline of IDC and
        MDC. Differs: none.
    """
    return following_means(features, features.mean(dim=0), count=count)
