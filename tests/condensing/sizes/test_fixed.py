"""Policies without memory."""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.sizes import AllSizes, OneSize, RandomSize
from condensery.errors import ConfigError
from condensery.rng import stream


def profiles(policy, counts, *, seed=0, outer=0):
    state = policy.init(torch.tensor(counts))
    return policy.sets(state, outer=outer, rng=stream(seed)).images


def test_nothing_is_measured_frozen_or_remembered(each):
    for policy in each([OneSize(), AllSizes(), RandomSize()]):
        state = policy.init(torch.tensor([3, 3]))
        assert not any(policy.measures(outer) for outer in range(200))
        assert policy.frozen(state, outer=100).tolist() == [0, 0]
        assert policy.measure is None
        after = policy.close(policy.observe(state, torch.rand(2, 3, generator=stream(0))), outer=1)
        assert after == state


def test_one_size_is_the_size_of_the_largest_class(each):
    for counts in each([[1, 1], [4, 4], [4, 2]]):
        assert profiles(OneSize(), counts).tolist() == [[max(counts)] * 2]


def test_all_sizes_run_down_from_the_full_set(each):
    for largest in each([1, 2, 5]):
        expected = [[size] * 3 for size in range(largest, 0, -1)]
        assert profiles(AllSizes(), [largest, 1, largest]).tolist() == expected


def test_a_random_size_is_any_smaller_one_beside_the_full_set():
    drawn = [profiles(RandomSize(), [4, 3], seed=seed).tolist() for seed in range(300)]
    assert all(full == [4, 4] and len(set(size)) == 1 for full, size in drawn)
    sizes = [size[0] for _, size in drawn]
    assert set(sizes) == {1, 2, 3}
    assert min(sizes.count(size) for size in (1, 2, 3)) > 70


def test_a_random_size_is_the_same_for_the_same_stream_alone():
    one, same = (profiles(RandomSize(), [9, 9], seed=3).tolist() for _ in range(2))
    assert one == same


def test_a_set_of_one_image_has_no_smaller_size():
    assert profiles(RandomSize(), [1, 1]).tolist() == [[1, 1]]


def test_the_weights_of_all_sizes_are_a_power_of_the_size_with_mean_1(each):
    for weights, expected in each(
        [
            ("uniform", [1, 1, 1, 1]),
            ("inverse", [0.48, 0.64, 0.96, 1.92]),
            ("proportional", [1.6, 1.2, 0.8, 0.4]),
        ]
    ):
        policy = AllSizes(weights=weights)
        sets = policy.sets(policy.init(torch.tensor([4, 4])), outer=0, rng=stream(0))
        assert sets.images[:, 0].tolist() == [4, 3, 2, 1]
        assert sets.weights.tolist() == pytest.approx(expected)


def test_an_unknown_weight_is_refused():
    with pytest.raises(ConfigError, match=r"size_policy\.weights = 'invers' is unknown.*'inverse'"):
        AllSizes(weights="invers")
    assert OneSize().sets({"counts": torch.tensor([3])}, outer=0, rng=stream(0)).weights == 1
