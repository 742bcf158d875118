"""A run treats the classes block by block, and what it does for a class depends on that block."""

from __future__ import annotations

from dataclasses import replace

import torch

from condensery.condensing import blocks
from condensery.condensing.loop import initial_state, networks_of
from condensery.condensing.schedules import Redraw
from condensery.condensing.sizes import MostLearnable
from condensery.data import ImageData
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


def test_how_many_classes_are_in_memory_changes_no_bit(small, each, monkeypatch):
    data = small.data(counts=(9, 7, 9))
    for objective, parameterization, asked in each(
        small.every("objective", "parameterization", "asked")
    ):
        recipe = small.recipe(
            objective=objective,
            parameterization=parameterization,
            size_policy=asked,
            iterations=2,
            schedule=small.short,
            classes_per_pass=1,
        )
        ends = []
        for number in (2, 10):
            monkeypatch.setattr(blocks, "AT_ONCE", number)
            ends.append(small.run(recipe, data))
        one, two = ends
        assert [p.losses for p in one] == [p.losses for p in two]
        for name, tensor in one[-1].state.tensors().items():
            assert torch.equal(tensor.nan_to_num(7), two[-1].state.tensors()[name].nan_to_num(7))


def test_real_images_of_few_classes_are_in_memory_at_the_same_time(small, monkeypatch):
    seen, pixels = [], ImageData.pixels

    def counted(data, index):
        seen.append(len(index))
        return pixels(data, index)

    data = small.data(counts=(9, 7, 9, 8, 5))
    recipe = small.recipe(
        iterations=1, schedule=Redraw(inner=1, steps=0), size_policy=MostLearnable(period=1)
    )
    state = initial_state(recipe, data, seed=small.seed)
    monkeypatch.setattr(ImageData, "pixels", counted)
    monkeypatch.setattr(blocks, "AT_ONCE", 2)
    for block, expected in ((1, [6, 6, 3]), (3, [12, 3]), (5, [15])):  # in passes of 2 classes
        seen.clear()
        small.run(replace(recipe, classes_per_block=block), data, state=state)
        assert seen == expected
