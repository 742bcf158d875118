"""DANCE, TGDD and NCFM: the published settings, and the cases in which they are another method."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery
from condensery.augment import Siamese
from condensery.condensing.init import FirstImages
from condensery.condensing.objectives import (
    Calibrated,
    CharacteristicFunction,
    DistributionMatching,
)
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Interpolated, Redraw, Staged
from condensery.condensing.sizes import AllSizes
from condensery.condensing.updates import Adam, sgd_for_all_classes
from condensery.data import ImageData
from condensery.methods import recipe_for
from condensery.parameterizations import MultiFormation
from condensery.training import SGDTraining

METHODS = ("dance", "tgdd", "ncfm")


def data(name="cifar10", side=32, classes=10):
    return ImageData(
        name=name,
        images=torch.zeros(2 * classes, 3, side, side, dtype=torch.uint8),
        labels=torch.arange(classes).repeat(2),
        class_names=tuple(str(c) for c in range(classes)),
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
    )


def paper(method, ipc=10, **more):
    return recipe_for(method, data(**more), ipc=ipc, preset="paper")


def test_dance_is_the_published_algorithm():
    recipe = paper("dance")
    assert recipe.iterations == 10_000
    assert recipe.network == "convnet3"
    assert recipe.parameterization == MultiFormation(factor=2)
    assert recipe.augment == Siamese(strategy="color_crop_cutout", mode="idc")
    assert recipe.sampler == RandomPerClass(batch=128)
    assert recipe.init == FirstImages()
    assert recipe.objective == Calibrated(
        features=DistributionMatching(), weight=1.0, under="expert", alternate=True
    )
    schedule = recipe.schedule
    assert isinstance(schedule, Interpolated)
    assert (schedule.trajectories, schedule.epochs, schedule.steps) == (5, 60, 0)
    assert (schedule.lowest, schedule.highest, schedule.inner) == (0, 1, 2)
    assert (schedule.decay, schedule.keep) == ("milestones", "ends")
    assert schedule.training == SGDTraining(batch=64, lr=0.01, momentum=0.9, weight_decay=5e-4)
    assert recipe.update == sgd_for_all_classes(lr=0.01 * 10, momentum=0.5, classes=10)
    assert paper("dance", ipc=50).update.lr == pytest.approx(5 * recipe.update.lr)


def test_photographs_take_the_row_of_the_subsets(each):
    for method in each(METHODS):
        recipe = paper(method, name="imagenette", side=128)
        assert recipe.network == "convnet5"
        assert (recipe.schedule.epochs, recipe.schedule.training.batch) == (80, 128)
        if method != "ncfm":
            assert recipe.update == sgd_for_all_classes(lr=0.1 * 10, momentum=0.5, classes=10)


def test_tgdd_is_dance_at_stages_of_a_training_with_both_terms_in_one_update():
    base, recipe = paper("dance"), paper("tgdd")
    schedule = Staged(trajectories=5, epochs=60, window=7, training=base.schedule.training)
    objective = replace(base.objective, alternate=False)
    assert recipe == replace(base, method="tgdd", schedule=schedule, objective=objective)
    assert (recipe.schedule.decay, recipe.schedule.keep) == ("milestones", "all")


def test_ncfm_is_dance_with_characteristic_functions():
    base, recipe = paper("dance"), paper("ncfm")
    features = CharacteristicFunction(frequencies=4096, amplitude=0.5, scale=300.0)
    assert recipe == replace(
        base,
        method="ncfm",
        iterations=20_000,
        sampler=RandomPerClass(batch=1024),
        schedule=replace(base.schedule, trajectories=20, training=SGDTraining(batch=128)),
        objective=replace(base.objective, features=features),
        update=Adam(lr=0.001, decay=0.999),
    )
    assert paper("ncfm", name="tiny-imagenet", side=64).network == "convnet4"
    assert paper("dance", name="tiny-imagenet", side=64).network == "convnet3"
    odd = paper("ncfm", name="cifar100", classes=100)
    assert odd.update == sgd_for_all_classes(lr=0.01, momentum=0.5, classes=100)
    assert isinstance(paper("ncfm", name="cifar100", classes=100, ipc=50).update, Adam)


def test_shorter_presets_keep_what_the_method_is(each):
    for method, preset in each((m, p) for m in METHODS for p in ("smoke", "quick", "standard")):
        whole, short = (recipe_for(method, data(), ipc=5, preset=p) for p in ("paper", preset))
        assert type(short.schedule) is type(whole.schedule)
        assert short.objective.alternate == whole.objective.alternate
        assert type(short.objective.features) is type(whole.objective.features)
        assert short.schedule.updates == whole.schedule.updates
        assert short.init == whole.init


@pytest.fixture(scope="module")
def digits():
    train = condensery.load_data("digits").train
    index = torch.cat([train.of_class(c)[:20] for c in range(2)])
    return replace(
        train, images=train.images[index], labels=train.labels[index], class_names=("0", "1")
    )


def finished(digits, recipe):
    run = condensery.Condensation(recipe, digits, seed=3)
    run.result()
    return run.state.stored.images


def small(digits, method, **changes):
    recipe = recipe_for(method, digits, ipc=3, preset="smoke")
    return replace(recipe, network="convnet2-w4", sampler=RandomPerClass(batch=8), **changes)


def test_without_experts_dance_and_ncfm_match_under_random_networks_alone(each, digits):
    """DANCE then is DM with DANCE's other parts, to the bit."""
    for method in each(["dance", "ncfm"]):
        recipe = small(digits, method)
        objective = replace(recipe.objective, weight=0.0)
        own = replace(
            recipe,
            schedule=replace(recipe.schedule, trajectories=0, inner=1),
            objective=objective,
        )
        dm = replace(
            own, schedule=Redraw(inner=1, steps=0), objective=objective.features, engine="auto"
        )
        assert torch.equal(finished(digits, own), finished(digits, dm))


def test_tgdd_without_weight_is_distribution_matching_on_trajectories(digits):
    """With a window of one and untrained stages, it is DM under the experts' first networks."""
    recipe = small(digits, "tgdd")
    schedule = replace(recipe.schedule, window=1, epochs=0)
    own = replace(recipe, schedule=schedule, objective=Calibrated(weight=0.0))
    plain = replace(own, objective=DistributionMatching())
    assert torch.equal(finished(digits, own), finished(digits, plain))
    other = replace(own, objective=Calibrated(weight=1.0))
    assert not torch.equal(finished(digits, own), finished(digits, other))


def test_every_method_matches_every_size_at_once(each, digits):
    for method in each(METHODS):
        recipe = small(digits, method, size_policy=AllSizes(weights="inverse"))
        steps = list(condensery.Condensation(recipe, digits, seed=0))
        assert all(sorted(p.losses) == ["1", "2", "3"] for p in steps)
        assert steps[-1].state.stored.images.isfinite().all()


def test_an_iteration_of_dance_has_an_image_update_for_each_term(digits):
    recipe = replace(
        small(digits, "dance"),
        iterations=1,
        update=sgd_for_all_classes(lr=0.02, momentum=0.5, classes=2),
    )
    run = condensery.Condensation(recipe, digits, seed=1)
    begun = run.state.stored.images
    one, two = (p for p in run if not p.boundary)
    first, second = one.state.stored.images, two.state.stored.images
    assert not torch.equal(first, begun)
    assert not torch.equal(second, first)
    assert recipe.update.momentum == 0.25
