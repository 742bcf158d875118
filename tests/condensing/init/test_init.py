"""First stored images: which real ones, in which order, from which streams."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations, product

import pytest
import torch

import condensery
from condensery.condensing.init import FirstImages, HerdedImages, KMeansImages, Noise, RandomImages
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.networks import build, features
from condensery.parameterizations import MultiFormation, Pixels, encode_mix
from condensery.rng import branches, stream

STARTS = {
    "random": RandomImages(),
    "first": FirstImages(),
    "noise": Noise(),
    "noise-of-data": Noise(like="data"),
    "kmeans": KMeansImages(),
    "kmeans-of-a-pool": KMeansImages(pool=5),
    "herded": HerdedImages(candidates=4, networks=2, sample=5),
}
REAL = {name: part for name, part in STARTS.items() if "noise" not in name}
PARTS = [
    Pixels(),
    MultiFormation(factor=1),
    MultiFormation(factor=2),
    MultiFormation(factor=3),
    MultiFormation(factor=2, order="crop"),
]


def small(counts=(12, 6), *, side=(8, 8), channels=2):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=stream(0))]
    shape = (len(labels), channels, *side)
    return ImageData(
        name="small",
        images=torch.randint(0, 256, shape, generator=stream(1)).to(torch.uint8),
        labels=labels,
        class_names=tuple("abc"[: len(counts)]),
        mean=(0.2, 0.7)[:channels],
        std=(0.1, 0.4)[:channels],
    )


def network_for(source, seed=0):
    make = partial(
        build,
        "convnet2-w4",
        channels=source.channels,
        classes=source.classes,
        side=source.side,
        seed=seed,
    )
    return lambda *path: make(path=path)


def begun(start, part, *, counts=(3, 2), seed=0, source=None):
    source = small() if source is None else source
    return start.make(
        part,
        source,
        counts=torch.tensor(counts),
        rng=stream(seed),
        network=network_for(source),
    )


def positions(source, stored, class_):
    """Which real image of the class each stored one is."""
    own = source.pixels(source.of_class(class_))
    mine = stored.images[stored.class_ == class_]
    return [int((own == one).flatten(1).all(dim=1).nonzero()[0, 0]) for one in mine]


def test_a_start_is_sorted_in_range_and_reproducible(each):
    for name, part in each(product(STARTS, PARTS)):
        stored = begun(STARTS[name], part)
        assert stored.rank.tolist() == [0, 0, 1, 1, 2]
        assert stored.class_.tolist() == stored.labels.tolist() == [0, 1, 0, 1, 0]
        assert stored.images.shape == (5, 2, 8, 8)
        assert stored.images.dtype == torch.float32
        assert 0 <= stored.images.min() < 0.3
        assert 0.7 < stored.images.max() <= 1
        assert torch.equal(begun(STARTS[name], part).images, stored.images)
        same = torch.equal(begun(STARTS[name], part, seed=1).images, stored.images)
        assert same == (name == "first")


def test_pixels_start_at_different_real_images_of_their_class(each):
    for name in each(REAL):
        source = small()
        stored = begun(STARTS[name], Pixels(), source=source)
        for class_, count in ((0, 3), (1, 2)):
            found = positions(source, stored, class_)
            assert len(set(found)) == count
            if name == "first":
                assert found == list(range(count))


def test_a_class_with_too_few_images_uses_them_again(each):
    for name in each(REAL):
        source = small((12, 2))
        stored = begun(STARTS[name], MultiFormation(factor=2), counts=(1, 2), source=source)
        assert stored.images.isfinite().all()
        crops = MultiFormation(factor=2).pack(source.pixels(source.of_class(1)).repeat(4, 1, 1, 1))
        mine = stored.images[stored.class_ == 1]
        values = set(crops.unique().tolist())
        assert set(mine.unique().tolist()) <= values


def test_noise_of_the_data_has_its_mean_and_deviation():
    source = small(side=(40, 40))
    for like, mean, std in (("data", (0.2, 0.7), (0.1, 0.3)), ("grey", (0.5,) * 2, (0.25,) * 2)):
        stored = begun(Noise(like=like), Pixels(), source=source)
        for c in range(2):
            assert stored.images[:, c].mean().item() == pytest.approx(mean[c], abs=0.06)  # clipped
            assert stored.images[:, c].std().item() == pytest.approx(std[c], abs=0.07)


def test_the_random_start_draws_every_class_from_a_stream_of_its_own():
    source = small()
    stored = begun(RandomImages(), MultiFormation(factor=2), counts=(2, 1), source=source)
    stream_of = branches(stream(0))
    for class_, count in ((0, 2), (1, 1)):
        own = source.of_class(class_)
        index = own[torch.randperm(len(own), generator=stream_of(class_))][: 4 * count]
        expected = encode_mix(source.pixels(index), factor=2)
        assert torch.equal(stored.images[stored.class_ == class_], expected)


@pytest.fixture(scope="module")
def digits():
    """Three digits."""
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c) for c in range(3)])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1", "2")
    )


def test_a_kmeans_start_covers_a_class_better_than_random_images(digits):
    network = network_for(digits)("start", 0)
    with torch.no_grad():
        every = features(network, digits.normalise(digits.pixels(torch.arange(len(digits)))))
    every = every.flatten(1)

    def covered(start, seed):
        stored = begun(start, Pixels(), counts=(5,) * 3, source=digits, seed=seed)
        total = 0.0
        for c in range(3):
            own = every[digits.of_class(c)]
            chosen = own[positions(digits, stored, c)]
            total += torch.cdist(own, chosen).min(dim=1).values.square().sum().item()
        return total

    random = sum(covered(RandomImages(), seed) for seed in range(3))
    assert sum(covered(KMeansImages(), seed) for seed in range(3)) < 0.85 * random


@pytest.mark.parametrize("part", [Pixels(), MultiFormation(factor=2)], ids=str)
def test_every_prefix_of_a_herded_start_is_near_the_class_under_a_network_it_never_saw(
    digits, part
):
    network = network_for(digits, seed=99)("other")

    def distances(start):
        stored = begun(start, part, counts=(4,) * 3, source=digits)
        decoded = part.decode(stored)
        with torch.no_grad():
            ours = features(network, digits.normalise(decoded.images)).flatten(1)
            real = features(network, digits.normalise(digits.pixels(torch.arange(len(digits)))))
        real = real.flatten(1)
        found = torch.zeros(4)
        for c in range(3):
            target = real[digits.of_class(c)].mean(dim=0)
            for k in range(1, 5):
                prefix = ours[(decoded.class_ == c) & (decoded.rank < k)].mean(dim=0)
                found[k - 1] += (prefix - target).square().sum()
        return found

    assert (distances(HerdedImages(sample=100)) < 0.85 * distances(RandomImages())).all()


def test_the_first_herded_image_is_the_best_single_candidate_and_the_second_the_best_beside_it():
    source = small((5, 5))
    part = Pixels()
    stored = begun(
        HerdedImages(candidates=5, networks=1, sample=5), part, counts=(2, 1), source=source
    )
    network = network_for(source)("start", 0)
    own = source.pixels(source.of_class(0))
    with torch.no_grad():
        seen = features(network, source.normalise(own)).flatten(1)
    mean = seen.mean(dim=0)
    first, second = positions(source, stored, 0)
    alone = (seen - mean).norm(dim=1)
    assert first == int(alone.argmin())
    pairs = {
        other: ((seen[first] + seen[other]) / 2 - mean).norm().item()
        for a, b in combinations(range(5), 2)
        for other in ({a, b} - {first})
        if first in (a, b)
    }
    assert second == min(pairs, key=lambda other: pairs[other])


def test_choices_that_cannot_work_are_refused(each):
    for make, said in each(
        [
            (lambda: Noise(like="gray"), "init.like = 'gray'.*Did you mean 'grey'"),
            (lambda: KMeansImages(pool=-1), r"init\.pool = -1"),
            (lambda: HerdedImages(networks=0), r"init\.networks = 0"),
            (lambda: HerdedImages(candidates=0), r"init\.candidates = 0"),
            (lambda: HerdedImages(sample=0), r"init\.sample = 0"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            make()
