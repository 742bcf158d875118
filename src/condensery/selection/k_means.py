"""K-means: the images nearest the centres of as many clusters, ordered so that prefixes cover.

Knows nothing about where features come from.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.clustering import kmeans
from condensery.errors import ConfigError
from condensery.selection.k_center import farthest_first

__all__ = ["k_means"]

_ITERATIONS = 100
"""Lloyd steps at most; clustering stops where no image changes its cluster."""


def k_means(
    features: Float[Tensor, "image feature"], *, count: int, rng: torch.Generator
) -> Int[Tensor, "image"]:
    """One image for each of ``count`` clusters: the member nearest the centre.

    They are ordered greedily by what k-means minimises: each next image lowers the sum over all
    images of the squared distance to the nearest chosen one as far as any other would. The
    prefix of size ``k`` is therefore not what ``count=k`` gives. Where fewer than ``count``
    clusters have members (equal images), the rest is chosen farthest first.

    Args:
        features: Of the images of one class; memory for ``image x count`` distances is taken.
        count: How many to take, in 0..images.
        rng: Of the first centres.

    Returns:
        Positions ``[count]`` in order of selection, each once.

    Raises:
        ConfigError: If there are fewer than ``count`` images.

    Source:
        The selection ``k-means`` of DC-BENCH (Cui et al. 2022) and the representatives of DREAM
        (Liu et al. 2023), by ``clustering.kmeans``. Differs: an image belongs to one cluster,
        so none is chosen twice; the order is ours.
    """
    if not 0 <= count <= len(features):
        raise ConfigError(f"count = {count}, but there are {len(features)} images to choose from.")
    if not count:
        return torch.empty(0, dtype=torch.int64)
    points = features - features.mean(dim=0)  # smaller numbers: differences lose fewer digits
    centres = kmeans(points, clusters=count, rng=rng, iterations=_ITERATIONS)
    order = _covering(points, _members(points, centres))
    return farthest_first(points, begin=order, count=count) if len(order) < count else order


def _members(points: Tensor, centres: Tensor) -> Tensor:
    """Of every cluster that has members, the position of the one nearest the centre."""
    distance, cluster = torch.cdist(points, centres).min(dim=1)
    chosen: list[int] = []
    for label in cluster.unique().tolist():
        members = (cluster == label).nonzero()[:, 0]
        chosen.append(int(members[distance[members].argmin()]))
    return torch.tensor(chosen)


def _covering(points: Tensor, chosen: Tensor) -> Tensor:
    """The chosen images, each next one lowering the sum of squared distances the most."""
    squared = torch.cdist(points, points[chosen]).square()  # [image, chosen]
    nearest = points.new_full((len(points), 1), torch.inf)
    left = list(range(len(chosen)))
    order: list[int] = []
    while left:
        cost = torch.minimum(nearest, squared[:, left]).sum(dim=0)
        best = left.pop(int(cost.argmin()))
        nearest = torch.minimum(nearest, squared[:, best : best + 1])
        order.append(best)
    return chosen[order]
