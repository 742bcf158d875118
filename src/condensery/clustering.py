"""Points in space: k-means, and choosing points whose mean is a given one.

Pure functions of tensors. Know nothing about images, networks or what the points stand for.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.errors import ConfigError

__all__ = ["following_means", "kmeans", "representatives"]

_SEEDS = 4
"""Points that the first centres are drawn from, for each of them."""


def kmeans(
    points: Float[Tensor, "point feature"],
    *,
    clusters: int,
    rng: torch.Generator,
    iterations: int = 10,
) -> Float[Tensor, "cluster feature"]:
    """Centres of ``clusters`` clusters of Euclidean points.

    About 0.4 s for 5000 points of 1152 features, 128 clusters, one thread (docs/methods/dream.md).

    Args:
        points: At least one.
        clusters: At least 1. As many points or fewer are their own centres, all of them.
        rng: For the first centres.
        iterations: Most steps of Lloyd's, at least 0; it stops where no point changes its cluster.

    Returns:
        ``[cluster, feature]``; ``[point, feature]`` if there are fewer points.

    Raises:
        ConfigError: If ``clusters`` is below 1.

    Source:
        Lloyd 1982; first centres as Arthur & Vassilvitskii 2007, *k-means++*. Differs: first
        centres come from a random sample of ``4 * clusters`` points, which bounds their cost; a
        cluster that lost all its points moves to the point that is worst represented.
    """
    if clusters < 1:
        raise ConfigError(f"clusters = {clusters}, but points need at least 1 cluster.")
    if len(points) <= clusters:
        return points.clone()
    centres = points[_first(points, clusters, rng)]
    before: Tensor | None = None
    for _ in range(iterations):
        distance = _squares(points, centres)  # [point, cluster]
        nearest, own = distance.min(dim=1)
        if before is not None and torch.equal(own, before):
            break
        before = own
        counts = torch.bincount(own, minlength=clusters)
        empty = (counts == 0).nonzero()[:, 0]
        sums = torch.zeros_like(centres).index_add_(0, own, points)
        centres = sums / counts.clamp(min=1)[:, None]
        if len(empty):
            centres[empty] = points[nearest.topk(len(empty)).indices]
    return centres


def representatives(
    points: Float[Tensor, "point feature"], centres: Float[Tensor, "cluster feature"]
) -> Int[Tensor, "cluster"]:
    """The position of the point nearest to each centre; of equals the first.

    Two centres may share a point, which is then named twice.
    """
    return _squares(points, centres).argmin(dim=0)


def following_means(
    points: Float[Tensor, "point feature"], mean: Float[Tensor, "feature"], *, count: int
) -> Int[Tensor, "chosen"]:
    """Points in an order in which the mean of every prefix is near a given one.

    Each is the one, not yet taken, whose prefix then has the nearest mean; of equals the first.

    Args:
        points: To choose from, each at most once.
        mean: To come near to; need not be that of the points.
        count: How many, in 0..points.

    Returns:
        Positions in the order of choice.

    Raises:
        ConfigError: If there are fewer points than ``count``.

    Source:
        Welling 2009, *Herding Dynamical Weights to Learn*. Differs: the mean is given.
    """
    if not 0 <= count <= len(points):
        raise ConfigError(f"count = {count}, but there are {len(points)} points to choose from.")
    wanted = mean.clone()  # (chosen + 1) * mean - sum of the chosen
    free = torch.ones(len(points), dtype=torch.bool, device=points.device)
    order: list[int] = []
    for _ in range(count):
        distance = torch.linalg.vector_norm(wanted - points, dim=1)
        best = int(distance.where(free, torch.inf).argmin())
        free[best] = False
        order.append(best)
        wanted = wanted + mean - points[best]
    return torch.tensor(order, dtype=torch.int64)


def _first(points: Tensor, clusters: int, rng: torch.Generator) -> Tensor:
    """Positions of the first centres: each drawn by its squared distance to those before it."""
    pool = torch.randperm(len(points), generator=rng)[: _SEEDS * clusters]
    sample = points[pool.to(points.device)]
    apart = _squares(sample, sample).cpu()
    chosen = [0]  # the sample is in random order
    nearest = apart[0].clone()
    nearest[0] = 0
    for _ in range(clusters - 1):
        if float(nearest.sum()) > 0:
            new = int(torch.multinomial(nearest, 1, generator=rng))
        else:  # only copies of the chosen are left: the first position not taken
            new = next(i for i in range(len(sample)) if i not in chosen)
        chosen.append(new)
        nearest = torch.minimum(nearest, apart[new])
        nearest[new] = 0
    return pool[chosen].to(points.device)


def _squares(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances ``[point, centre]``, by one matrix product."""
    lengths = points.square().sum(dim=1, keepdim=True) + centres.square().sum(dim=1)
    return torch.addmm(lengths, points, centres.T, alpha=-2).clamp_(min=0)
