from __future__ import annotations

import pytest
import torch

from condensery.data import Data
from condensery.errors import ConfigError
from condensery.evaluation import herding, random_selection, select
from condensery.rng import stream


def found_in(images: torch.Tensor, pool: torch.Tensor) -> list[int]:
    """Position in ``pool`` of every image."""
    equal = (images[:, None] == pool[None]).flatten(2).all(dim=2)
    assert (equal.sum(dim=1) == 1).all()
    return equal.int().argmax(dim=1).tolist()


def test_a_random_selection_holds_different_real_images_of_the_right_class(data: Data):
    chosen = random_selection(data.train, ipc=5, seed=3)

    at = found_in(chosen.images, data.train.images)
    assert len(set(at)) == 15
    assert data.train.labels[at].tolist() == chosen.labels.tolist() == [0, 1, 2] * 5
    assert chosen.mean == data.train.mean
    assert chosen.manifest["method"] == "random"


def test_a_larger_random_selection_extends_the_smaller_one(data: Data):
    small = random_selection(data.train, ipc=2, seed=3)
    large = random_selection(data.train, ipc=6, seed=3)

    assert torch.equal(large.take(2).images, small.images)
    assert torch.equal(large.images[:6], small.images)


def test_another_seed_selects_other_images(data: Data):
    one = found_in(random_selection(data.train, ipc=4, seed=0).images, data.train.images)
    two = found_in(random_selection(data.train, ipc=4, seed=1).images, data.train.images)

    assert set(one) != set(two)


def test_a_class_smaller_than_asked_gives_all_it_has(data: Data):
    chosen = random_selection(data.train, ipc=11, seed=0)

    assert torch.bincount(chosen.labels).tolist() == [9, 11, 10]


@pytest.mark.parametrize("ipc", [0, 13, -1])
def test_a_size_that_no_class_can_give_is_refused(data: Data, ipc: int):
    with pytest.raises(ConfigError, match=rf"ipc = {ipc}.*12 images"):
        random_selection(data.train, ipc=ipc, seed=0)


def test_select_takes_the_first_of_every_order(data: Data):
    orders = [data.train.of_class(c).flip(0) for c in range(3)]
    chosen = select(data.train, orders, ipc=2, method="last", seed=0)

    expected = torch.stack([orders[c][rank] for rank in range(2) for c in range(3)])
    assert torch.equal(chosen.images, data.train.images[expected])


def naive_herding(features: torch.Tensor, count: int) -> list[int]:
    mean = features.mean(0)
    taken: list[int] = []
    for k in range(count):
        best, where = float("inf"), -1
        for i, own in enumerate(features):
            if i in taken:
                continue
            rest = (k + 1) * mean - features[taken].sum(0) - own
            if rest.norm() < best:
                best, where = float(rest.norm()), i
        taken.append(where)
    return taken


@pytest.mark.parametrize("seed", range(4))
def test_herding_is_its_formula(seed: int):
    features = torch.randn(20, 3, generator=stream(seed), dtype=torch.float64)

    assert herding(features, count=20).tolist() == naive_herding(features, 20)


def test_herding_more_images_than_there_are_is_refused():
    with pytest.raises(ConfigError, match="there are 3 images"):
        herding(torch.zeros(3, 2), count=4)
