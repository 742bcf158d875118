"""Herding: images whose mean stays close to the mean of their class.

Knows nothing about where features come from.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.errors import ConfigError

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
    if not 0 <= count <= len(features):
        raise ConfigError(f"count = {count}, but there are {len(features)} images to herd.")
    mean = features.mean(dim=0)
    wanted = mean.clone()  # (k + 1) * mean - sum of the taken
    free = torch.ones(len(features), dtype=torch.bool, device=features.device)
    order: list[int] = []
    for _ in range(count):
        distance = torch.linalg.vector_norm(wanted - features, dim=1)
        chosen = int(distance.where(free, torch.inf).argmin())
        free[chosen] = False
        order.append(chosen)
        wanted = wanted + mean - features[chosen]
    return torch.tensor(order, dtype=torch.int64)
