"""K-means: the images nearest the centres of as many clusters, ordered so that prefixes cover.

Lloyd's algorithm in forty lines of torch: scikit-learn's would be another dependency, on the CPU
only. Knows nothing about where features come from.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.errors import ConfigError
from condensery.selection.k_center import farthest_first

__all__ = ["k_means"]

_ITERATIONS = 100
"""Lloyd steps at most; it stops where no image changes its cluster."""

_ROWS = 2048
"""Images whose distances to the centres are computed at once."""


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
        Lloyd 1982, *Least Squares Quantization in PCM*; Arthur, Vassilvitskii 2007,
        *k-means++*, for the first centres; as a selection in DC-BENCH and in DREAM. Differs:
        an image belongs to one cluster, so none is chosen twice; the order is ours.
    """
    if not 0 <= count <= len(features):
        raise ConfigError(f"count = {count}, but there are {len(features)} images to choose from.")
    if not count:
        return torch.empty(0, dtype=torch.int64)
    points = features - features.mean(dim=0)  # smaller numbers: differences lose fewer digits
    cluster, centres = _lloyd(points, _first_centres(points, count, rng))
    chosen: list[int] = []
    for label in cluster.unique().tolist():
        members = (cluster == label).nonzero()[:, 0]
        distance = torch.linalg.vector_norm(points[members] - centres[label], dim=1)
        chosen.append(int(members[distance.argmin()]))
    order = _covering(points, torch.tensor(chosen))
    return farthest_first(points, begin=order, count=count) if len(order) < count else order


def _first_centres(points: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """K-means++: each next centre with probability proportional to its squared distance."""
    chosen: list[int] = []
    nearest = torch.ones(len(points), dtype=torch.float64, device=points.device)
    for _ in range(count):
        total = nearest.cumsum(dim=0)
        draw = float(torch.rand((), dtype=torch.float64, generator=rng)) * float(total[-1])
        index = min(int(torch.searchsorted(total, draw, right=True)), len(points) - 1)
        distance = (points - points[index]).double().square().sum(dim=1)
        nearest = torch.minimum(nearest, distance) if chosen else distance
        chosen.append(index)
    return points[chosen]


def _lloyd(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The cluster of every image, and the centres; an empty cluster keeps its centre."""
    cluster = _nearest(points, centres)
    for _ in range(_ITERATIONS):
        size = torch.bincount(cluster, minlength=len(centres))
        total = torch.zeros_like(centres).index_add_(0, cluster, points)
        mean = total / size.clamp(min=1)[:, None]
        centres = torch.where(size[:, None] > 0, mean, centres)
        before, cluster = cluster, _nearest(points, centres)
        if torch.equal(before, cluster):
            break
    return cluster, centres


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    """``argmin |x - c|^2``, in which ``|x|^2`` plays no part."""
    own = centres.square().sum(dim=1)
    rows = [(own - 2 * part @ centres.T).argmin(dim=1) for part in points.split(_ROWS)]
    return torch.cat(rows)


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
