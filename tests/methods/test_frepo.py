"""FRePo: which published settings the name stands for, and whole runs under the laws of runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery
from condensery.augment import Identity
from condensery.condensing.init import RandomImages
from condensery.condensing.loop import initial_state, networks_of, run, run_together
from condensery.condensing.objectives import FeatureRegression
from condensery.condensing.progress import State
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Pool
from condensery.condensing.sizes import AllSizes, OneSize
from condensery.condensing.updates import Adam
from condensery.data import ImageData
from condensery.engines import Autograd
from condensery.errors import ConfigError
from condensery.evaluation import evaluate
from condensery.methods import recipe_for
from condensery.parameterizations import Pixels
from condensery.parts import changed
from condensery.registry import names
from condensery.rng import stream
from condensery.types import StepContext, nested


def data(channels: int = 3, classes: int = 10) -> ImageData:
    return ImageData(
        name="cifar10",
        images=torch.zeros(2 * classes, channels, 32, 32, dtype=torch.uint8),
        labels=torch.arange(classes).repeat(2),
        class_names=tuple(str(c) for c in range(classes)),
        mean=(0.5,) * channels,
        std=(0.2, 0.25, 0.3)[:channels],
    )


def small(digits, **changes):
    recipe = recipe_for("frepo", digits.train, ipc=3, preset="smoke")
    return replace(recipe, **{"network": "convnet2-w4", "size_policy": AllSizes(), **changes})


def test_frepo_is_the_published_algorithm():
    recipe = recipe_for("frepo", data(), ipc=10, preset="paper")
    assert recipe.parameterization == Pixels()
    assert recipe.init == RandomImages()
    assert recipe.augment == Identity()
    assert recipe.sampler == RandomPerClass(batch=102)
    assert isinstance(recipe.schedule, Pool)
    assert (recipe.schedule.networks, recipe.schedule.oldest) == (10, 100)
    assert recipe.network == "convnet3"
    assert recipe.objective == FeatureRegression(regularisation=1e-6)
    assert recipe.size_policy == OneSize()
    assert recipe.labels is not None
    assert recipe.iterations * recipe.schedule.inner == 500_000


def test_only_colour_in_the_paper_preset_is_whitened():
    assert recipe_for("frepo", data(), ipc=1, preset="paper").whiten == "zca-regularised"
    assert recipe_for("frepo", data(channels=1), ipc=1, preset="paper").whiten == "none"
    assert recipe_for("frepo", data(), ipc=1, preset="standard").whiten == "none"


def test_the_targets_are_shared_among_the_classes():
    assert recipe_for("frepo", data(classes=100), ipc=1, preset="paper").sampler.batch == 10
    assert recipe_for("frepo", data(classes=300), ipc=1, preset="smoke").sampler.batch == 1


def test_every_size_policy_moves_images_and_labels(each, digits):
    for sizes in each(names("size_policy")):
        recipe = changed(small(digits), "size_policy", sizes)
        begun = initial_state(recipe, digits.train, seed=0).stored
        last = list(run(recipe, digits.train, seed=0))[-1].state.stored
        assert not torch.equal(begun.images, last.images)
        assert (begun.labels != last.labels).any(dim=1).sum() > len(last.labels) / 2


def test_a_run_that_was_killed_ends_in_the_same_bytes(digits):
    recipe = small(digits)
    whole = list(run(recipe, digits.train, seed=0))
    half = next(p.state for p in whole if p.boundary and p.state.outer == 1)
    saved = State.from_tensors(half.outer, half.tensors())
    found = list(run(recipe, digits.train, seed=0, state=saved))[-1].state.tensors()
    expected = whole[-1].state.tensors()
    assert sorted(found) == sorted(expected)
    assert "stored.labels" in expected
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_all_sizes_predict_better_under_a_network_that_the_run_never_saw(digits):
    recipe = small(digits, iterations=12, update=Adam(lr=0.03, final_drop=3), network="convnet2-w8")
    real = RandomPerClass(batch=30).draw(digits.train, rng=stream(0))
    match = recipe.objective.bind(
        StepContext(at=(0, 0), network=networks_of(recipe, digits.train)(seed=9, path=("judge",))),
        real,
        lambda examples: digits.train.normalise(examples.images),
        engine=Autograd(),
        classes_per_pass=1,
    )
    begun = initial_state(recipe, digits.train, seed=0).stored
    last = list(run(recipe, digits.train, seed=0))[-1].state.stored
    sizes = torch.tensor([[1] * 3, [2] * 3, [3] * 3])
    before, after = (
        match(found, nested(found, sizes, all_classes=True)) for found in (begun, last)
    )
    assert bool((after < 0.9 * before).all())


def test_sets_cannot_share_a_pool(digits):
    recipe = small(digits)
    states = [initial_state(recipe, digits.train, seed=0)] * 2
    with pytest.raises(ConfigError, match="trains networks on the set itself"):
        next(run_together([recipe, recipe], digits.train, seed=0, states=states))


def test_the_file_holds_the_learned_labels_and_is_tested_with_them(digits):
    condensation = condensery.condense(
        digits, method="frepo", preset="smoke", ipc=2, network="convnet2-w4"
    )
    condensed = condensation.result(created="now")
    assert condensed.soft_labels is not None
    assert condensed.soft_labels.shape == (6, 3)
    plan = evaluate(condensed, digits, sizes=[2], seeds=1, networks=["convnet2-w4"], baselines=())
    (trial,) = plan.planned
    assert trial.protocol.name == "frepo"
    assert trial.protocol.labels == "soft"
