"""K-means: the images nearest to cluster centres, ordered so that every prefix is a good cover.

Knows nothing about how features are computed.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.clustering import kmeans
from condensery.errors import ConfigError
from condensery.selection.k_center import farthest_first

_ITERATIONS = 100
"""Maximum number of Lloyd steps; clustering stops earlier if no image changes its cluster."""


def k_means(
    features: Float[Tensor, "image feature"], *, count: int, rng: torch.Generator
) -> Int[Tensor, "image"]:
    """One image for each of ``count`` clusters: the member nearest to the centre.

    The order is greedy for the objective of k-means: each next image reduces most the sum over all
    images of the squared distance to the nearest chosen one. The prefix of size ``k`` is therefore
    not the result of ``count=k``. If fewer than ``count`` clusters have members (equal images), the
    remaining images are chosen farthest first.

    Args:
        features: Features of the images of one class; needs memory for ``image x count`` distances.
        count: Number of images to choose, in 0..images.
        rng: Random stream of the first centres.

    Returns:
        Different positions ``[count]`` in order of selection.

    Raises:
        ConfigError: If there are fewer than ``count`` images.

    Source:
        The selection ``k-means`` of DC-BENCH (Cui et al. 2022) and the representatives of DREAM
        (Liu et al. 2023), with ``clustering.kmeans``. Differs: an image belongs to one cluster,
        so it is not chosen twice; the order is ours.
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
    """For every cluster with members, the position of the member nearest to the centre."""
    distance, cluster = torch.cdist(points, centres).min(dim=1)
    chosen: list[int] = []
    for label in cluster.unique().tolist():
        members = (cluster == label).nonzero()[:, 0]
        chosen.append(int(members[distance[members].argmin()]))
    return torch.tensor(chosen)


def _covering(points: Tensor, chosen: Tensor) -> Tensor:
    """The chosen images, so that each next one reduces the sum of squared distances most."""
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
