"""The proxy: prefixes against real means under networks that no run sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery
from condensery.condensing.init import RandomImages
from condensery.errors import ConfigError, DataError
from condensery.evaluation import PrefixLosses, Proxy
from condensery.networks import build, features
from condensery.parameterizations import MultiFormation, Pixels
from condensery.rng import stream
from condensery.types import Examples


@pytest.fixture(scope="module")
def digits():
    """Three digits."""
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c) for c in range(3)])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1", "2")
    )


@pytest.fixture(scope="module")
def proxy(digits):
    return Proxy(digits, "convnet2-w4", probes=2, sample=50)


def random_set(digits, seed, counts=(4, 4, 4), part=None):
    part = Pixels() if part is None else part
    stored = RandomImages().make(
        part, digits, counts=torch.tensor(counts), rng=stream(seed), network=pytest.fail
    )
    return part.decode(stored)


def written_out(digits, examples, *, probes, sample):
    """The definition, prefix by prefix and class by class."""
    sizes = int(examples.rank.max()) + 1
    found = torch.zeros(sizes)
    for network in range(probes):
        network = build(
            "convnet2-w4",
            channels=1,
            classes=3,
            side=(8, 8),
            seed=0,
            path=("proxy", "network", network),
        )
        for c in range(3):
            own = digits.of_class(c)
            drawn = own[torch.randperm(len(own), generator=stream(0, "proxy", "real", c))[:sample]]
            with torch.no_grad():
                real = features(network, digits.normalise(digits.pixels(drawn))).flatten(1)
            for size in range(1, sizes + 1):
                mine = examples.images[(examples.class_ == c) & (examples.rank < size)]
                with torch.no_grad():
                    ours = features(network, digits.normalise(mine)).flatten(1)
                found[size - 1] += (ours.mean(dim=0) - real.mean(dim=0)).square().sum() / probes
    return found


def test_a_measure_is_its_definition_for_every_prefix(each, digits, proxy):
    for part in each([Pixels(), MultiFormation(), MultiFormation(order="crop")]):
        examples = random_set(digits, 1, (4, 2, 3), part)
        order = torch.randperm(len(examples), generator=stream(9))
        found = proxy(examples.rows(order))
        expected = written_out(digits, examples, probes=2, sample=50)
        assert torch.allclose(torch.tensor(found.loss), expected, rtol=1e-3)


def test_random_images_are_worth_about_one_at_every_size(digits, proxy):
    found = torch.tensor([proxy(random_set(digits, seed)).relative for seed in range(30)])
    assert (found.mean(dim=0) - 1).abs().max() < 0.2
    assert found.shape == (30, 4)


def test_more_of_the_class_is_nearer_to_it(digits, proxy):
    every = torch.arange(len(digits))
    rank = torch.cat([torch.arange(len(digits.of_class(c))) for c in range(3)])
    index = torch.cat([digits.of_class(c) for c in range(3)])
    labels = digits.labels[index]
    found = proxy(
        Examples(images=digits.pixels(index), labels=labels, class_=labels, rank=rank)
    ).loss
    assert len(every) == len(rank)
    assert found[-1] < 0.05 * found[0]


def test_the_mean_is_geometric_over_the_relative_losses():
    measure = PrefixLosses(loss=(1.0, 4.0), random=(2.0, 2.0))
    assert measure.relative == (0.5, 2.0)
    assert measure.mean == pytest.approx(1.0)


def test_the_same_judges_judge_whenever_asked_and_others_with_another_seed(digits, proxy):
    examples = random_set(digits, 3)
    again = Proxy(digits, "convnet2-w4", probes=2, sample=50)
    assert proxy(examples) == again(examples) == proxy(examples)
    other = Proxy(digits, "convnet2-w4", probes=2, sample=50, seed=1)
    assert other(examples).loss != proxy(examples).loss


def test_networks_that_mix_examples_judge_them_one_by_one(digits):
    proxy = Proxy(digits, "convnet2-w4-bn", probes=1, sample=50)
    small, large = random_set(digits, 3, (1, 1, 1)), random_set(digits, 3, (4, 4, 4))
    assert proxy(small).loss[0] == pytest.approx(proxy(large).loss[0], rel=1e-4)


def test_nothing_of_what_is_measured_is_changed(digits, proxy):
    examples = random_set(digits, 5)
    before = examples.images.clone()
    state = torch.random.get_rng_state()
    proxy(examples)
    Proxy(digits, "convnet2-w4", probes=1, sample=5)
    assert torch.equal(examples.images, before)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["probes", "sample"])
def test_a_number_that_cannot_work_is_refused(digits, name):
    with pytest.raises(ConfigError, match=f"{name} = 0"):
        Proxy(digits, "convnet2-w4", **{name: 0})


@pytest.mark.parametrize("kind", ["identical images", "one image a class"])
def test_real_images_without_a_spread_give_no_distance_to_compare_with(digits, kind):
    index = torch.cat([digits.of_class(c)[:1].repeat(5) for c in range(3)])
    index = index.unique() if kind == "one image a class" else index
    alike = replace(digits, images=digits.images[index], labels=digits.labels[index])
    with pytest.raises(DataError, match="have the same features"):
        Proxy(alike, "convnet2-w4", probes=1)


def test_the_smallest_difference_of_real_images_is_enough_to_compare_with(digits):
    index = torch.cat([digits.of_class(c)[:1].repeat(5) for c in range(3)])
    images = digits.images[index].clone()
    images[0, 0, 4, 4] ^= 1  # one pixel of one image, by one level
    nearly = replace(digits, images=images, labels=digits.labels[index])
    found = Proxy(nearly, "convnet2-w4", probes=1)(random_set(nearly, seed=1, counts=(1, 1, 1)))
    assert 0 <= found.mean < 100
