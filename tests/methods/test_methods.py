"""Methods and presets: which parts a name stands for."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from condensery.condensing.objectives import GradientMatching
from condensery.condensing.schedules import OnExperts
from condensery.condensing.sizes import MostLearnable, OneSize
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.methods import recipe_for
from condensery.parameterizations import MultiFormation
from condensery.registry import names, parts

TABLE = {
    # name: side, channels, metric of IDC, lr at ipc 10 and side, steps, network, factor, iterations
    "cifar10": (32, 3, "mse", 5e-3, 32, "convnet3", 2, 2000),
    "cifar100": (32, 3, "mse", 5e-3, 32, "convnet3", 2, 2000),
    "svhn": (32, 3, "mse", 5e-3, 8, "convnet3", 2, 2000),
    "mnist": (28, 1, "l1", 1e-4, 8, "convnet3", 2, 2000),
    "fashion-mnist": (28, 1, "l1", 1e-4 * (28 / 32) ** 2, 8, "convnet3", 2, 2000),
    "imagenet-10": (224, 3, "l1", 3e-3, 8, "resnetap10", 3, 500),
    "imagenet-100": (224, 3, "l1", 1e-3, 4, "resnetap10", 3, 500),
    "unheard-of": (48, 3, "mse", 5e-3 * 1.5**2, 32, "convnet3", 2, 2000),
    "large-unheard-of": (128, 3, "l1", 3e-3 * (128 / 224) ** 2, 8, "resnetap10", 3, 500),
}


def data(name="cifar10", side=32, channels=3, classes=10):
    return ImageData(
        name=name,
        images=torch.zeros(2 * classes, channels, side, side, dtype=torch.uint8),
        labels=torch.arange(classes).repeat(2),
        class_names=tuple(str(c) for c in range(classes)),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


def test_the_paper_preset_is_the_published_row_of_the_data(each):
    for name in each(TABLE):
        side, channels, metric, lr, steps, network, factor, iterations = TABLE[name]
        source = data(name, side, channels)
        recipe = recipe_for("idc", source, ipc=10, preset="paper")
        assert recipe.objective == GradientMatching(metric=metric, parameters="conv")
        assert recipe.network == network
        assert recipe.parameterization == MultiFormation(factor=factor)
        assert (recipe.iterations, recipe.schedule.inner, recipe.schedule.steps) == (
            iterations,
            100,
            steps,
        )
        assert recipe.sampler.batch == 64
        # one step per class on a shared buffer with momentum 0.5: about twice the learning rate
        assert recipe.update.lr == pytest.approx(lr * (1 - 0.5**10) / 0.5, rel=1e-9)
        assert recipe.update.momentum == pytest.approx(0.5**10)
        five = recipe_for("idc", source, ipc=5, preset="paper")
        assert five.update.lr == pytest.approx(recipe.update.lr / 2)
        assert five.ipc == 5


def test_mnist_has_no_cutout_and_no_cutmix():
    recipe = recipe_for("idc", data("mnist", 28, 1), ipc=1, preset="paper")
    assert recipe.augment.strategy == "color_crop"
    assert recipe.schedule.training.cutmix == 0
    other = recipe_for("idc", data(), ipc=1, preset="paper")
    assert other.augment.strategy == "color_crop_cutout"
    assert other.schedule.training.cutmix == 0.5
    assert other.schedule.training.augment.strategy == "color_crop"


def test_networks_of_a_hundred_classes_of_photographs_learn_faster():
    large = recipe_for("idc", data("imagenet-100", 224), ipc=1, preset="paper").schedule
    small = recipe_for("idc", data("imagenet-10", 224), ipc=1, preset="paper").schedule
    assert (large.training.lr, large.training.weight_decay, large.training.batch) == (
        0.1,
        1e-4,
        128,
    )
    assert (small.training.lr, small.training.weight_decay, small.training.batch) == (
        0.01,
        5e-4,
        64,
    )
    assert large.training.cutmix == small.training.cutmix == 1
    assert (large.pretrain, small.pretrain) == (5, 10)  # of 20 images: an epoch is one step


def test_tiny_images_are_stored_whole():
    assert recipe_for("idc", data("x", 8, 1), ipc=1, preset="quick").parameterization.factor == 1
    assert recipe_for("idc", data("x", 16, 1), ipc=1, preset="quick").parameterization.factor == 2


def test_mdc_is_idc_with_squared_errors_and_the_most_learnable_subset(each):
    for name, preset in each(product(TABLE, ["smoke", "quick", "standard", "paper"])):
        source = data(name, *TABLE[name][:2])
        base, recipe = (recipe_for(m, source, ipc=3, preset=preset) for m in ("idc", "mdc"))
        assert base.size_policy == OneSize()
        assert isinstance(recipe.size_policy, MostLearnable)
        assert recipe == replace(
            base,
            method="mdc",
            objective=GradientMatching(metric="mse"),
            size_policy=recipe.size_policy,
        )
        assert recipe.preset == base.preset == preset
        assert recipe.size_policy == MostLearnable(period=recipe.size_policy.period)
        assert 1 <= recipe.size_policy.period <= recipe.iterations / 2
        if preset == "paper":
            assert recipe.size_policy.period == (50 if base.network == "resnetap10" else 100)


def test_presets_are_listed_shortest_first(each):
    for method in each(names("method")):
        assert parts("method")[method].presets == ("smoke", "quick", "standard", "paper")
        steps = []
        for preset in parts("method")[method].presets:
            recipe = recipe_for(method, data(), ipc=10, preset=preset)
            before = isinstance(recipe.schedule, OnExperts)  # networks are trained before the run
            names_ = () if before else ("steps", "epochs")
            between = max((getattr(recipe.schedule, name, 0) for name in names_), default=0)
            steps.append(recipe.iterations * recipe.schedule.updates * (1 + between))
        assert steps == sorted(steps)
        assert steps[0] < 100


def test_what_is_unknown_is_refused(each):
    for method, preset, ipc, said in each(
        [
            ("mcd", "quick", 1, "method = 'mcd'.*Did you mean 'mdc'"),
            ("mdc", "quik", 1, "preset = 'quik'.*Did you mean 'quick'"),
            ("mdc", "quick", 0, "ipc = 0"),
            ("idc", "quick", -3, "ipc = -3"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            recipe_for(method, data(), ipc=ipc, preset=preset)
