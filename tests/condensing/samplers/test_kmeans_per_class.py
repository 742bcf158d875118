"""Images that stand for the clusters of their class, fixed between two clusterings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

import condensery
from condensery.clustering import kmeans, representatives
from condensery.condensing.samplers import KMeansPerClass, real_examples
from condensery.errors import ConfigError
from condensery.networks import build, features
from condensery.rng import branches, stream
from condensery.types import StepContext


@pytest.fixture(scope="module")
def data():
    """Three digits, the last of which has five images."""
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c)[:count] for c, count in ((0, 40), (1, 30), (2, 5))])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1", "2")
    )


def network(path=0, name="convnet2-w4"):
    return build(name, channels=1, classes=3, side=(8, 8), seed=1, path=(path,))


def drawn(sampler, data, at, *, net=None):
    draw = sampler.begin(data)
    net = network() if net is None else net
    found = (
        draw(StepContext(at=where, network=net), classes=range(3), rng=stream(7, *where))
        for where in at
    )
    return [real_examples(data, torch.cat([drawn[c] for c in range(3)])) for drawn in found]


def test_the_images_are_the_ones_nearest_to_the_centres_of_their_class(data):
    (real,) = drawn(KMeansPerClass(batch=6), data, [(0, 0)])
    stream_of = branches(stream(7, 0, 0))
    for c in (0, 1):
        own = data.of_class(c)
        with torch.no_grad():
            seen = features(network(), data.normalise(data.pixels(own))).flatten(1)
        chosen = own[representatives(seen, kmeans(seen, clusters=6, rng=stream_of(c)))]
        assert torch.equal(real.images[real.class_ == c], data.pixels(chosen))
    assert torch.equal(real.labels, real.class_)
    assert not real.rank.any()


def test_a_class_with_few_images_is_taken_whole(data):
    (real,) = drawn(KMeansPerClass(batch=6), data, [(0, 0)])
    assert torch.bincount(real.class_).tolist() == [6, 6, 5]
    assert torch.equal(real.images[real.class_ == 2], data.pixels(data.of_class(2)))


def test_images_stay_between_clusterings_and_change_at_the_next(data):
    at = [(3, inner) for inner in range(5)]
    batches = drawn(KMeansPerClass(batch=6, every=2), data, at)
    same = [torch.equal(a.images, b.images) for a, b in pairwise(batches)]
    assert same == [True, False, True, False]


def test_an_outer_iteration_begins_with_a_clustering_of_its_own(data):
    sampler = KMeansPerClass(batch=6, every=10)
    (alone,) = drawn(sampler, data, [(4, 0)])
    before = drawn(sampler, data, [(3, 0), (3, 1), (4, 0)])
    assert torch.equal(before[-1].images, alone.images)


def test_a_trained_network_gives_other_images(data):
    one, other = (drawn(KMeansPerClass(batch=6), data, [(0, 0)], net=network(n)) for n in (0, 1))
    assert not torch.equal(one[0].images, other[0].images)


def test_a_pool_bounds_what_is_clustered(data):
    sampler = KMeansPerClass(batch=3, pool=4)
    (real,) = drawn(sampler, data, [(0, 0)])
    rng = branches(stream(7, 0, 0))(0)
    own = data.of_class(0)
    pool = data.pixels(own[torch.randperm(len(own), generator=rng)[:4]])
    for image in real.images[real.class_ == 0]:
        assert (pool == image).flatten(1).all(dim=1).any()


def test_un_normalised_images_are_clustered_where_asked(data):
    dark = replace(data, mean=(0.9,), std=(0.1,))
    plain, shown = (
        drawn(KMeansPerClass(batch=6, normalised=flag), dark, [(0, 0)]) for flag in (False, True)
    )
    assert not torch.equal(plain[0].images, shown[0].images)
    assert torch.equal(
        plain[0].images, drawn(KMeansPerClass(batch=6, normalised=False), data, [(0, 0)])[0].images
    )


def test_the_network_is_left_as_it_was(data):
    net = network(name="convnet2-w4-bn")
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    drawn(KMeansPerClass(batch=6), data, [(0, 0)], net=net)
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert all(module.training for module in net.modules())


def test_choices_that_cannot_work_are_refused(each):
    for choices, said in each(
        [
            ({"batch": 0}, r"sampler\.batch = 0"),
            ({"every": 0}, r"sampler\.every = 0"),
            ({"pool": -1}, r"sampler\.pool = -1"),
            ({"pool": 5, "batch": 6}, r"sampler\.pool = 5 images hold no sampler\.batch = 6"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            KMeansPerClass(**choices)
