"""Herding: images whose mean stays close to the mean of their class.

Knows nothing about where features come from.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from condensery.clustering import following_means

__all__ = ["herding"]


def herding(features: Float[Tensor, "image feature"], *, count: int) -> Int[Tensor, "image"]:
    """The herding order: every prefix has a mean close to the mean of all.

    Image ``k`` (from 0) is the one, not yet taken, that minimises
    ``|(k + 1) * mean - sum of the taken - its own|``; of equals the first.

    Args:
        features: Of the images of one class.
        count: How many to take, in 0..images.

    Returns:
        Positions ``[count]`` in order of selection.

    Raises:
        ConfigError: If there are fewer than ``count`` images.

    Source:
        Welling 2009, *Herding Dynamical Weights to Learn*, as the coreset baseline of IDC and
        MDC uses it. Differs: nothing.
    """
    return following_means(features, features.mean(dim=0), count=count)
