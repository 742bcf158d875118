"""DC, DSA, DM, DREAM and nested: which published settings, and which of ours, a name stands for."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

import condensery
from condensery.augment import Identity, PerExample, Siamese
from condensery.condensing.init import HerdedImages, KMeansImages, Noise, RandomImages
from condensery.condensing.loop import run
from condensery.condensing.objectives import Calibrated, DistributionMatching, GradientMatching
from condensery.condensing.samplers import KMeansPerClass, RandomPerClass
from condensery.condensing.schedules import Interpolated, Redraw, TrainOnSynthetic
from condensery.condensing.sizes import AllSizes, OneSize
from condensery.condensing.updates import SGD
from condensery.data import ImageData
from condensery.methods import recipe_for
from condensery.parameterizations import MultiFormation, Pixels
from condensery.parts import changed

METHODS = ("dc", "dsa", "dm", "dream", "nested")


def data(name="cifar10", side=32, channels=3):
    return ImageData(
        name=name,
        images=torch.zeros(20, channels, side, side, dtype=torch.uint8),
        labels=torch.arange(10).repeat(2),
        class_names=tuple("0123456789"),
        mean=(0.5,) * channels,
        std=(0.2, 0.25, 0.3)[:channels],
    )


def paper(method, ipc=10, **more):
    return recipe_for(method, data(**more), ipc=ipc, preset="paper")


def test_dc_is_the_published_algorithm():
    recipe = paper("dc")
    assert recipe.iterations == 1000
    assert recipe.network == "convnet3"
    assert recipe.parameterization == Pixels()
    assert recipe.augment == Identity()
    assert recipe.sampler == RandomPerClass(batch=256)
    assert recipe.schedule == TrainOnSynthetic(inner=10, epochs=50)
    assert recipe.objective == GradientMatching(metric="cosine", parameters="all")
    assert recipe.size_policy == OneSize()
    assert recipe.init == Noise(like="data")
    assert isinstance(recipe.update, SGD)
    assert recipe.update.lr == pytest.approx(0.1 * 0.25**2)  # of normalised images, std 0.25
    assert recipe.update.momentum == 0.5


def test_the_loops_of_dc_and_dsa_follow_the_size(each):
    for (ipc, inner, epochs), method in each(
        product(
            [
                (1, 1, 1),
                (10, 10, 50),
                (20, 20, 25),
                (30, 30, 20),
                (40, 40, 15),
                (50, 50, 10),
                (100, 50, 10),  # by the authors' advice
                (2, 2, 50),  # ours from here on
                (5, 5, 50),
                (25, 25, 20),
                (45, 45, 11),
            ],
            ["dc", "dsa"],
        )
    ):
        schedule = paper(method, ipc).schedule
        assert (schedule.inner, schedule.epochs) == (inner, epochs)


def test_dsa_is_dc_with_one_shared_augmentation_from_real_images(each):
    for name in each(["fashion-mnist", "cifar10", "mnist", "svhn", "digits"]):
        side, channels = (28, 1) if "mnist" in name else (32, 3)
        base, recipe = (paper(m, name=name, side=side, channels=channels) for m in ("dc", "dsa"))
        flip = "" if name in ("mnist", "svhn", "digits") else "flip_"
        words = f"color_crop_cutout_{flip}scale_rotate"
        training = replace(base.schedule.training, augment=PerExample(strategy=words, mode="dsa"))
        assert recipe == replace(
            base,
            method="dsa",
            augment=Siamese(strategy=words, mode="dsa"),
            schedule=replace(base.schedule, training=training),
            init=RandomImages(),
        )


def test_dm_is_the_published_algorithm():
    recipe = paper("dm")
    assert recipe.iterations == 20_000
    assert recipe.schedule == Redraw(inner=1, steps=0)
    assert recipe.objective == DistributionMatching()
    assert recipe.augment == Siamese(strategy="color_crop_cutout_flip_scale_rotate", mode="dsa")
    assert recipe.sampler == RandomPerClass(batch=256)
    assert recipe.init == RandomImages()
    assert recipe.parameterization == Pixels()
    assert recipe.update == SGD(lr=recipe.update.lr, momentum=0.5)


def test_the_step_of_dm_grows_with_the_set(each):
    for name, ipc, lr in each(
        [("cifar10", 10, 1), ("cifar10", 50, 1), ("cifar10", 100, 10), ("cifar100", 100, 1)]
    ):
        source = data(name)
        source = replace(source, images=source.images, labels=source.labels)
        recipe = recipe_for("dm", source, ipc=ipc, preset="paper")
        assert recipe.update.lr == pytest.approx(lr * 0.25**2)


def test_dream_is_idc_with_representative_images(each):
    for preset in each(["smoke", "quick", "standard", "paper"]):
        base, recipe = (recipe_for(m, data(), ipc=5, preset=preset) for m in ("idc", "dream"))
        assert isinstance(recipe.init, KMeansImages)
        assert isinstance(recipe.sampler, KMeansPerClass)
        assert recipe.sampler.every == 10
        assert recipe == replace(
            base, method="dream", sampler=recipe.sampler, init=recipe.init, preset=preset
        )
        if preset == "paper":
            assert (recipe.sampler.batch, recipe.sampler.pool, recipe.init.pool) == (128, 0, 0)
        else:
            assert recipe.sampler.batch == base.sampler.batch
            assert recipe.sampler.pool == recipe.init.pool > recipe.sampler.batch


def test_nested_matches_every_size_under_interpolated_experts_from_a_herded_start(each):
    for preset in each(["smoke", "quick", "standard", "paper"]):
        recipe = recipe_for("nested", data(), ipc=5, preset=preset)
        assert recipe.size_policy == AllSizes()
        assert recipe.init == HerdedImages()
        assert isinstance(recipe.parameterization, MultiFormation)
        features = DistributionMatching(blocks=2 if preset in ("standard", "paper") else 1)
        assert recipe.objective == Calibrated(
            features=features, under="network", weight=10.0, exponent=0.5
        )
        assert isinstance(recipe.schedule, Interpolated)
        assert recipe.schedule.decay == "constant"  # an annealed expert costs points at size 10
        assert "flip" in recipe.augment.strategy
        assert recipe.augment.mode == "idc"  # as the tests draw; "dsa" costs a point
        training = recipe.schedule.training
        assert (training.batch, training.lr, training.cutmix) == (128, 0.02, 0.5)
        assert training.augment == PerExample(strategy=recipe.augment.strategy, mode="dsa")
    large = recipe_for("nested", data("imagenet-10", 224), ipc=5, preset="standard")
    assert large.network == "resnetap10"  # which has no blocks
    assert large.objective == Calibrated(under="network", weight=10.0, exponent=0.5)


def test_nested_stores_more_and_smaller_images_in_small_sets_of_images_that_are_large_enough():
    def factor(side: int, ipc: int) -> int:
        recipe = recipe_for("nested", data("x", side), ipc=ipc, preset="quick")
        assert isinstance(recipe.parameterization, MultiFormation)
        return recipe.parameterization.factor

    assert (factor(32, 1), factor(32, 10), factor(32, 11)) == (3, 3, 2)
    assert (factor(28, 10), factor(8, 10)) == (2, 1)  # crops of at least 10 pixels, or whole images
    assert factor(128, 10) == 3


def test_another_method_takes_interpolated_experts_by_one_option():
    recipe = recipe_for("mdc", data(), ipc=5, preset="quick")
    found = changed(recipe, "schedule", "interpolated")
    assert found.schedule.updates == recipe.schedule.updates
    assert (found.schedule.trajectories, found.schedule.steps) == (4, 131)  # 350 updates
    found = changed(found, "objective", "calibrated")
    assert found.objective == Calibrated()
    published = recipe_for("mdc", data(), ipc=5, preset="paper")
    assert changed(published, "schedule", "interpolated").schedule == Interpolated(networks=100)


@pytest.fixture(scope="module")
def digits():
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c)[:20] for c in range(2)])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1")
    )


TINY = {"iterations": "2", "network": "convnet2-w4", "sampler.batch": "8"}


def tiny(digits, method, **more):
    settings = dict(TINY)
    name = "schedule.networks" if method == "nested" else "schedule.inner"
    settings[name] = "1" if method == "dm" else "2"
    if method == "nested":
        settings |= {"init.candidates": "6", "init.networks": "2", "init.sample": "10"}
    if method == "dream":
        settings |= {"sampler.pool": "16", "init.pool": "16"}
    changes = settings | more.pop("settings", {})
    return condensery.condense(
        digits, method=method, ipc=3, preset="smoke", settings=changes, **more
    )


def test_every_size_policy_works_on_every_method(each, digits):
    for method, sizes in each(product(METHODS, ["one", "most-learnable", "all", "random"])):
        whole = tiny(digits, method, size_policy=sizes)
        begun = whole.state.stored.images.clone()
        steps = list(whole)
        counts = {"one": 1, "random": 2, "all": 3}
        if sizes in counts:
            assert all(len(p.losses) == counts[sizes] for p in steps)
        assert all(p.loss > 0 for p in steps)
        stored = steps[-1].state.stored
        assert stored.images.isfinite().all()
        assert (stored.images != begun).flatten(1).any(dim=1).all()
        half = next(p.state for p in steps if p.boundary)
        again = list(run(whole.recipe, digits, seed=0, state=half))
        assert torch.equal(again[-1].state.stored.images, stored.images)


def test_settings_that_the_documentation_names_work(each, digits):
    for method, settings in each(
        [
            ("dsa", {"augment.mode": "idc"}),
            ("dc", {"objective.metric": "whole-cosine"}),
            ("dc", {"network": "convnet2-w4-bn"}),
            ("nested", {"objective": "distribution"}),
            ("nested", {"objective": "gradient"}),
            ("mdc", {"objective": "calibrated", "schedule": "interpolated"}),
            ("dm", {"init": "herded"}),
            ("dream", {"sampler.normalised": "false"}),
        ]
    ):
        found = tiny(digits, method, settings=settings)
        steps = list(found)
        assert steps[-1].boundary
        assert all(p.loss > 0 for p in steps)
