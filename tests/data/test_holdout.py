"""The hold-out rule is checked by counting, and by drawing it twice."""

from __future__ import annotations

import pytest
import torch

from condensery.data.holdout import hold_out
from condensery.errors import DataError


def test_a_fifth_of_every_class_is_held_out_but_one_image_always_stays():
    counts = [1, 2, 4, 5, 9, 10, 23]
    labels = torch.tensor([c for c, n in enumerate(counts) for _ in range(n)])
    train, test = hold_out(labels, title="made")
    assert torch.bincount(labels[test], minlength=7).tolist() == [0, 1, 1, 1, 1, 2, 4]
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(len(labels)))
    assert torch.equal(train, train.sort().values)
    assert torch.equal(test, test.sort().values)


def test_the_choice_is_the_same_every_time_and_not_just_the_first_images():
    labels = torch.arange(100) % 2
    _, first = hold_out(labels, title="made")
    _, again = hold_out(labels, title="made")
    assert torch.equal(first, again)
    assert first.tolist() != list(range(20))


def test_it_ignores_the_global_random_state():
    labels = torch.arange(50) % 5
    before = torch.random.get_rng_state()
    hold_out(labels, title="made")
    assert torch.equal(before, torch.random.get_rng_state())


def test_single_images_cannot_be_held_out():
    with pytest.raises(DataError, match=r"no class has two images.*test="):
        hold_out(torch.arange(4), title="made")
