"""K-center: every image of a class is near one of the chosen images.

Knows nothing about how features are computed.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.errors import ConfigError


def k_center(features: Float[Tensor, "image feature"], *, count: int) -> Int[Tensor, "image"]:
    """Farthest first, starting with the image nearest to the mean; the first one for ties.

    Args:
        features: Features of the images of one class.
        count: Number of images to choose, in 0..images.

    Returns:
        Positions ``[count]`` in order of selection.

    Raises:
        ConfigError: If there are fewer than ``count`` images.

    Source:
        Sener, Savarese 2018, *Active Learning for Convolutional Neural Networks: A Core-Set
        Approach*, the greedy algorithm. Differs: it starts with the image nearest to the mean of
        the class, instead of a labelled pool.
    """
    if not 0 <= count <= len(features):
        raise ConfigError(f"count = {count}, but there are {len(features)} images to choose from.")
    if not count:
        return torch.empty(0, dtype=torch.int64)
    middle = torch.linalg.vector_norm(features - features.mean(dim=0), dim=1).argmin()
    return farthest_first(features, begin=middle[None].cpu(), count=count)


def farthest_first(
    features: Float[Tensor, "image feature"], *, begin: Int[Tensor, "image"], count: int
) -> Int[Tensor, "image"]:
    """Continue ``begin``: the next image is the one that is farthest from all chosen images.

    Args:
        features: Features of the images of one class.
        begin: Positions that are already chosen, at least 1.
        count: Number of positions at the end, in ``len(begin)``..images.
    """
    nearest = features.new_full((len(features),), torch.inf)
    order: list[int] = []
    for step in range(count):
        chosen = int(begin[step]) if step < len(begin) else int(nearest.argmax())
        order.append(chosen)
        distance = torch.linalg.vector_norm(features - features[chosen], dim=1)
        nearest = torch.minimum(nearest, distance)
        nearest[order] = -1.0  # never again, even where images are equal
    return torch.tensor(order, dtype=torch.int64)
