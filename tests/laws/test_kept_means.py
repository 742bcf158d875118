"""Mean features of real images that are computed once for each network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery
from condensery.augment import Identity, Siamese
from condensery.condensing.loop import initial_state, run
from condensery.condensing.objectives import (
    Calibrated,
    GradientMatching,
    KernelMMD,
)
from condensery.condensing.samplers import KeptMeans, RandomPerClass
from condensery.condensing.schedules import Interpolated, Redraw
from condensery.condensing.sizes import AllSizes, MostLearnable
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.training import SGDTraining

ALL = 1000
FIXED = Interpolated(
    trajectories=1, epochs=1, steps=2, networks=3, fixed=2, training=SGDTraining(batch=4)
)


@pytest.fixture
def recipe(small):
    return small.recipe(
        sampler=KeptMeans(),
        schedule=FIXED,
        objective=Calibrated(under="network"),
        augment=Identity(),
        size_policy=AllSizes(),
        iterations=2,
    )


def ended(recipe, data, small, **more):
    return list(run(recipe, data, seed=small.seed, **more))[-1].state


@pytest.mark.parametrize("images", [0, 5])
def test_a_run_with_kept_means_is_one_that_sees_those_images_at_every_update(
    small, recipe, monkeypatch, images
):
    data = small.data(counts=(9, 7, 8))
    if images:  # a batch of exactly the first images
        few = torch.cat([data.of_class(c)[:images] for c in range(3)])
        seen = replace(data, images=data.images[few], labels=data.labels[few])
        monkeypatch.setattr(ImageData, "fingerprint", data.fingerprint)  # the same experts
    else:
        seen = data
    start = initial_state(recipe, data, seed=small.seed)
    kept = ended(replace(recipe, sampler=KeptMeans(images=images)), data, small, state=start)
    expected = ended(replace(recipe, sampler=RandomPerClass(batch=ALL)), seen, small, state=start)
    assert not torch.allclose(kept.stored.images, start.stored.images, atol=1e-3)
    assert torch.allclose(kept.stored.images, expected.stored.images, atol=1e-5)


def test_the_images_are_read_once_for_every_network(small, recipe, monkeypatch):
    data, read, pixels = small.data(counts=(9, 7, 8)), [], ImageData.pixels
    start = initial_state(recipe, data, seed=small.seed)
    counted = lambda own, index: read.append(len(index)) or pixels(own, index)  # noqa: E731
    monkeypatch.setattr(ImageData, "pixels", counted)
    without_experts = replace(recipe, schedule=replace(FIXED, trajectories=0), iterations=6)
    ended(without_experts, data, small, state=start)
    updates = 6 * FIXED.networks
    assert sum(read) == FIXED.fixed * len(data) + updates * data.classes


def test_a_run_that_goes_on_has_the_same_bits(small, recipe):
    data = small.data(counts=(9, 7, 8))
    recipe = replace(recipe, size_policy=MostLearnable(period=1), iterations=3)
    steps = list(run(recipe, data, seed=small.seed))
    half = next(p.state for p in steps if p.boundary)
    on = ended(recipe, data, small, state=half)
    assert torch.equal(on.stored.images, steps[-1].state.stored.images)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": Redraw(inner=1, steps=0)}, "every network of schedule = redraw is new"),
        ({"schedule": replace(FIXED, fixed=0)}, "--set schedule.fixed=16"),
        ({"objective": GradientMatching()}, "objective = gradient needs the real images"),
        ({"objective": KernelMMD()}, "objective = m3d needs the real images"),
        ({"objective": Calibrated(features=KernelMMD())}, "objective = calibrated needs"),
        (
            {"size_policy": MostLearnable(probe=GradientMatching())},
            "size_policy.probe = gradient needs the real images",
        ),
        ({"augment": Siamese()}, "augment = siamese changes the condensed ones"),
    ],
)
def test_parts_that_need_the_real_images_are_refused(small, recipe, changes, words):
    with pytest.raises(ConfigError, match=words):
        next(run(replace(recipe, **changes), small.data(), seed=small.seed))


def test_the_settings_may_come_in_any_order_and_are_refused_before_anything_is_done():
    data, kept = condensery.load_data("digits"), {"sampler": "kept-means", "augment": "none"}
    asked = {"method": "nested", "ipc": 1, "preset": "smoke"}
    condensing = condensery.condense(data, **asked, settings={**kept, "schedule.fixed": 2})
    assert condensing.recipe.sampler == KeptMeans()
    with pytest.raises(ConfigError, match="is new"):
        condensery.condense(data, **asked, settings=kept)


def test_fewer_images_than_none_are_refused():
    with pytest.raises(ConfigError, match=r"sampler\.images = -1"):
        KeptMeans(images=-1)
