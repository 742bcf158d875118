from __future__ import annotations

import pytest

from condensery.report.accuracy import compare
from condensery.report.cost import cost_of, gained, spent
from condensery.report.history import distances_of


@pytest.fixture
def timed(proxy):
    means = (0.9, 0.6, 0.5, 0.45)
    lines = [
        proxy[0] | {"outer": outer, "mean": mean, "cpu": 30.0 * outer}
        for outer, mean in enumerate(means, start=1)
    ]
    return distances_of(lines, inner=1)


def test_experts_come_before_the_first_measure(timed):
    cost = cost_of(timed, experts=60.0)
    assert cost.at == (90.0, 120.0, 150.0, 180.0)
    assert cost.total == 180.0
    assert cost_of(timed, experts=None).at == (30.0, 60.0, 90.0, 120.0)


def test_a_run_that_did_not_record_every_time_has_no_cost(timed, proxy):
    assert cost_of(distances_of(proxy, inner=1), experts=60.0) is None
    assert cost_of([*distances_of(proxy, inner=1), *timed], experts=60.0) is None
    assert cost_of([], experts=60.0) is None


def test_the_last_half_of_the_condensing_is_told_without_the_experts(timed):
    assert spent(cost_of(timed, experts=60.0), timed) == [
        "Condensing took 2 min of CPU time, and the training of its experts 1 min.",
        "The last half of the condensing changed the mean distance to real images from 0.60 to "
        "0.45.",
    ]
    assert spent(cost_of(timed, experts=None), timed)[0] == "Condensing took 2 min of CPU time."


def test_a_run_that_was_measured_once_says_nothing_about_its_last_half(timed):
    once = timed[-1:]
    assert len(spent(cost_of(once, experts=None), once)) == 1


def test_the_gain_is_over_the_sizes_that_both_were_tested_at(observations, pets):
    (comparison,) = compare([*observations, pets.observation(set="k-means", size=4, accuracy=0.75)])
    assert gained(comparison) == (
        "The accuracy at its end, averaged over the tested sizes: +15.0 points over random images "
        "and −5.0 points over k-means images, which need no condensing (convnet3, protocol idc, "
        "700 steps). But k-means images are better at size 4."
    )


def test_without_baselines_no_gain_is_told(pets):
    assert gained(compare([pets.observation()])[0]) == ""
