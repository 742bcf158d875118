"""One set of the sets of its runs."""

from __future__ import annotations

import pytest
import torch

from condensery.errors import ConfigError
from condensery.runs.comparison.sets import assembled
from condensery.selection import random_selection


def test_sets_follow_each_other_in_the_order_of_their_runs(digits):
    ones = [random_selection(digits, ipc=1, seed=seed) for seed in (3, 1, 2)]
    found = assembled(ones, name="b")
    assert (found.sizes, found.rows, found.name) == (3, [10, 20, 30], "b")
    for rank, one in enumerate(ones):
        own = found.rank == rank
        assert torch.equal(found.images[own], one.images)
        assert torch.equal(found.labels[own], one.labels)
    assert found.bytes_of(2) == 2 * ones[0].bytes_of(1)
    assert torch.equal(found.take(1).images, ones[0].images)


def test_a_single_set_only_gets_another_name(digits):
    one = random_selection(digits, ipc=2, seed=0)
    found = assembled([one], name="c")
    assert torch.equal(found.images, one.images)
    assert found.manifest == {**one.manifest, "name": "c"}


def test_only_sets_of_one_image_are_put_together(digits):
    one, two = (random_selection(digits, ipc=ipc, seed=0) for ipc in (1, 2))
    with pytest.raises(ConfigError, match="one image of every class"):
        assembled([one, two], name="b")
