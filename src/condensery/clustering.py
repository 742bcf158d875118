"""k-means, and the choice of points whose mean is near a given mean.

Pure functions of tensors. Knows nothing about images, networks or the meaning of the points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.errors import ConfigError

_SEEDS = 4
"""Number of candidate points for each first centre."""


def kmeans(
    points: Float[Tensor, "point feature"],
    *,
    clusters: int,
    rng: torch.Generator,
    iterations: int = 10,
) -> Float[Tensor, "cluster feature"]:
    """Centres of ``clusters`` clusters of Euclidean points.

    Time: 0.4 s for 5000 points of 1152 features, 128 clusters, one thread (docs/methods/dream.md).

    Args:
        points: At least one.
        clusters: At least 1. If there are at most as many points, each point is a centre.
        rng: Draws the first centres.
        iterations: Maximum number of Lloyd iterations, at least 0; they stop earlier if no point
            changes its cluster.

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
    """The position of the point that is nearest to each centre; the first one in case of a tie.

    Two centres may have the same nearest point; it is then returned twice.
    """
    return _squares(points, centres).argmin(dim=0)


def following_means(
    points: Float[Tensor, "point feature"], mean: Float[Tensor, "feature"], *, count: int
) -> Int[Tensor, "chosen"]:
    """An order of points in which the mean of every prefix is near a given mean.

    The next point is always the unused point that brings the mean of the prefix nearest to the
    given mean; the first one in case of a tie.

    Args:
        points: Candidates, each used at most once.
        mean: The given mean; it need not be the mean of the points.
        count: Number of points to choose, in 0..points.

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
    """Positions of the first centres, drawn by the squared distance to the centres before them."""
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
