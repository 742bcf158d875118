"""k-means and means that follow, against their definitions."""

from __future__ import annotations

import pytest
import torch

from condensery.clustering import following_means, kmeans, representatives
from condensery.errors import ConfigError
from condensery.rng import stream


def blobs(count=6, each=20, features=3):
    rng = stream(0, "blobs")
    middles = 10 * torch.randn(count, features, generator=rng)
    own = torch.arange(count).repeat_interleave(each)
    points = middles[own] + 0.1 * torch.randn(len(own), features, generator=rng)
    order = torch.randperm(len(own), generator=rng)
    return points[order], own[order], middles


def test_well_separated_clusters_are_found():
    points, own, _ = blobs()
    centres = kmeans(points, clusters=6, rng=stream(1))
    means = torch.stack([points[own == c].mean(dim=0) for c in range(6)])
    apart = torch.cdist(means, centres)
    assert sorted(apart.argmin(dim=1).tolist()) == list(range(6))
    assert apart.min(dim=1).values.max() < 1e-3


def spread(points, centres):
    return torch.cdist(points, centres).min(dim=1).values.square().sum()


def test_every_step_lowers_the_spread_until_centres_are_the_means_of_their_points():
    points = torch.rand(300, 4, generator=stream(2))
    found = [kmeans(points, clusters=9, rng=stream(3), iterations=n) for n in (0, 1, 3, 200)]
    spreads = [spread(points, centres).item() for centres in found]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0]
    own = torch.cdist(points, found[-1]).argmin(dim=1)
    for c in range(9):
        assert torch.allclose(points[own == c].mean(dim=0), found[-1][c], atol=1e-5)


def test_first_centres_are_spread_wider_than_random_points():
    points, _, _ = blobs(count=12, each=30)
    better = sum(
        spread(points, kmeans(points, clusters=12, rng=stream(n), iterations=0))
        < spread(points, points[torch.randperm(len(points), generator=stream(n))[:12]])
        for n in range(10)
    )
    assert better >= 9


def test_one_stream_gives_one_clustering_and_another_gives_another():
    points = torch.rand(100, 4, generator=stream(2))
    one, same, other = (kmeans(points, clusters=5, rng=stream(n)) for n in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_as_many_clusters_as_points_or_more_are_the_points(each):
    for count in each([1, 3, 5]):
        points = torch.rand(count, 2, generator=stream(0))
        assert torch.equal(kmeans(points, clusters=5, rng=stream(0)), points)


def test_copies_of_few_points_leave_no_centre_undefined():
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(10, 1)
    centres = kmeans(points, clusters=4, rng=stream(0))
    assert centres.shape == (4, 2)
    assert centres.isfinite().all()
    assert spread(points, centres) < 1e-9


def test_a_cluster_that_lost_its_points_takes_the_worst_represented_one():
    """Three first centres of which two are one point: the third point gets the free one."""
    points = torch.tensor([[0.0], [0.0], [0.0], [0.0], [5.0], [9.0]])
    for seed in range(20):
        centres = kmeans(points, clusters=3, rng=stream(seed), iterations=20)
        assert sorted(centres[:, 0].tolist()) == [0.0, 5.0, 9.0]


def test_a_representative_is_the_nearest_point():
    points, _, middles = blobs()
    found = representatives(points, middles)
    assert torch.equal(found, torch.cdist(points, middles).argmin(dim=0))


def test_means_follow_greedily():
    points = torch.rand(12, 3, generator=stream(4), dtype=torch.float64)
    mean = torch.tensor([0.3, 0.6, 0.5], dtype=torch.float64)
    order = following_means(points, mean, count=5)
    taken: list[int] = []
    for chosen in order.tolist():
        reached = {
            i: (points[[*taken, i]].mean(dim=0) - mean).norm().item()
            for i in range(12)
            if i not in taken
        }
        assert chosen == min(reached, key=lambda i: reached[i])
        taken.append(chosen)
    assert torch.equal(following_means(points, mean, count=3), order[:3])


def test_what_cannot_be_chosen_is_refused():
    points = torch.rand(3, 2, generator=stream(0))
    with pytest.raises(ConfigError, match="count = 4"):
        following_means(points, points.mean(dim=0), count=4)
    with pytest.raises(ConfigError, match="clusters = 0"):
        kmeans(points, clusters=0, rng=stream(0))
