"""A run treats the classes block by block, and what it does for a class depends on that block."""

from __future__ import annotations

import torch

from condensery.condensing.loop import networks_of
from condensery.rng import stream
from condensery.types import StepContext


def network(small, recipe, data):
    build = networks_of(recipe, data)
    return lambda *path: build(seed=small.seed, path=path)


def test_what_a_class_starts_with_does_not_depend_on_the_other_classes(small, each):
    recipe, data = small.recipe(), small.data(counts=(9, 7, 8))

    def started(begun, part, counts):
        return begun.make(
            part,
            data,
            counts=torch.tensor(counts),
            rng=stream(small.seed, "init"),
            network=network(small, recipe, data),
        )

    for begun, part in each(small.every("begun", "parameterization")):
        whole, alone = started(begun, part, (2, 3, 1)), started(begun, part, (0, 3, 0))
        assert alone.class_.tolist() == [1, 1, 1]
        assert torch.equal(whole.images[whole.class_ == 1], alone.images)


def test_the_real_images_of_a_class_do_not_depend_on_the_other_classes(small, each):
    data = small.data(counts=(9, 7, 8))
    net = network(small, small.recipe(), data)("network", 0)
    for sampler in each(small.every("sampler")):
        whole, alone = sampler.begin(data), sampler.begin(data)
        for inner in range(4):
            context, rng = StepContext(at=(0, inner), network=net), (small.seed, "real", inner)
            every = whole(context, classes=range(3), rng=stream(*rng))
            some = alone(context, classes=[2, 0], rng=stream(*rng))
            assert sorted(every) == [0, 1, 2]
            assert sorted(some) == [0, 2]
            for c, positions in some.items():
                assert torch.equal(positions, every[c])
                assert (data.labels[positions] == c).all()
