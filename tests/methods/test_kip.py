"""KIP: which published settings the name stands for, and that it works at every size."""

from __future__ import annotations

import pytest
import torch

import condensery
from condensery.augment import Identity
from condensery.condensing.init import RandomImages
from condensery.condensing.objectives import DistributionMatching, RidgeRegression
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import NoNetwork
from condensery.condensing.sizes import AllSizes, MostLearnable, OneSize
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.evaluation import evaluate
from condensery.kernels import RBF, FullyConnected
from condensery.methods import recipe_for
from condensery.parameterizations import Pixels
from condensery.parts import changed
from condensery.registry import names, parts


def data(channels: int = 3, classes: int = 10) -> ImageData:
    return ImageData(
        name="cifar10",
        images=torch.zeros(2 * classes, channels, 32, 32, dtype=torch.uint8),
        labels=torch.arange(classes).repeat(2),
        class_names=tuple(str(c) for c in range(classes)),
        mean=(0.5,) * channels,
        std=(0.2, 0.25, 0.3)[:channels],
    )


def condense(digits, **choices):
    settings = choices.pop("settings", {})
    return condensery.condense(
        digits, method="kip", preset="smoke", ipc=3, settings=settings, **choices
    )


def test_kip_is_the_published_algorithm():
    recipe = recipe_for("kip", data(), ipc=10, preset="paper")
    assert recipe.parameterization == Pixels()
    assert recipe.init == RandomImages()
    assert recipe.augment == Identity()
    assert recipe.sampler == RandomPerClass(batch=500)
    assert isinstance(recipe.schedule, NoNetwork)
    assert recipe.network == "none"
    assert recipe.objective == RidgeRegression(
        kernel=FullyConnected(depth=1, variant="ntk", weight=2.0, bias=0.01), regularisation=1e-6
    )
    assert recipe.size_policy == OneSize()
    assert recipe.labels is None
    assert recipe.update.lr == pytest.approx(0.04 * 0.25)
    assert (recipe.update.momentum, recipe.update.decay) == (0.9, 0.999)
    assert recipe.iterations * recipe.schedule.inner == 1000


def test_only_colour_in_the_paper_preset_is_whitened():
    assert recipe_for("kip", data(), ipc=1, preset="paper").whiten == "zca-regularised"
    assert recipe_for("kip", data(channels=1), ipc=1, preset="paper").whiten == "none"
    assert recipe_for("kip", data(), ipc=1, preset="standard").whiten == "none"


def test_the_targets_are_shared_among_the_classes():
    assert recipe_for("kip", data(classes=100), ipc=1, preset="paper").sampler.batch == 50
    assert recipe_for("kip", data(classes=300), ipc=1, preset="smoke").sampler.batch == 1


def test_every_size_policy_works(each, digits):
    for sizes in each(names("size_policy")):
        run = condense(digits, size_policy=sizes)
        first = run.snapshot(created="now")
        last = run.result(created="now")
        assert type(run.recipe.size_policy) is parts("size_policy")[sizes]
        assert (last.sizes, last.method, len(last)) == (3, "kip", 9)
        assert not torch.equal(first.images, last.images)


def test_all_sizes_lower_the_loss_of_every_size(digits):
    run = condense(digits, size_policy="all", settings={"iterations": "10"})
    losses = [progress.losses for progress in run if not progress.boundary]
    assert list(losses[0]) == ["3", "2", "1"]
    assert all(losses[-1][size] < losses[0][size] for size in losses[0])


def test_learning_images_makes_them_predict_better(digits):
    run = condense(digits, settings={"iterations": "10"})
    before, after = (
        evaluate(found, digits, sizes=[3], seeds=1, baselines=()).run()[0].accuracy
        for found in (run.snapshot(created=""), run.result(created=""))
    )
    assert after > before


def test_without_a_network_sizes_are_measured_by_the_objective_itself():
    recipe = recipe_for("kip", data(), ipc=3, preset="smoke")
    recipe = changed(recipe, "objective.regularisation", "0.001")
    assert changed(recipe, "size_policy", "most-learnable").size_policy.probe == recipe.objective
    assert changed(recipe, "size_policy", "all").size_policy == AllSizes()
    idc = recipe_for("idc", data(), ipc=3, preset="smoke")
    assert changed(idc, "size_policy", "most-learnable").size_policy.probe == DistributionMatching()


def test_a_joint_probe_gives_all_classes_one_choice(digits):
    settings = {"size_policy.period": "1", "size_policy.classwise": "true"}
    run = condense(digits, size_policy="most-learnable", settings=settings)
    for progress in run:
        if progress.boundary:
            chosen = progress.state.sizes["chosen"]
            assert len(set(chosen.tolist())) == 1
            assert 1 <= int(chosen[0]) <= 2
    assert isinstance(run.recipe.size_policy, MostLearnable)


def test_labels_are_learned_if_asked_and_used_by_its_evaluation(digits):
    run = condense(digits, settings={"labels": "learned", "labels.update.lr": "0.04"})
    result = run.result(created="now")
    assert result.soft_labels is not None
    one_hot = torch.nn.functional.one_hot(result.labels, 3).float()
    assert float((result.soft_labels - one_hot).abs().max()) > 0.01
    (trial,) = evaluate(result, digits, sizes=[3], seeds=1, baselines=()).planned
    assert trial.protocol.labels == "soft"


@pytest.mark.parametrize("whiten", ["zca", "zca-regularised"])
def test_a_whitened_run_says_how_and_is_tested_so(digits, whiten):
    run = condense(digits, settings={"whiten": whiten})
    first, last = run.snapshot(created=""), run.result(created="")
    assert last.manifest["zca"] == {
        "kind": whiten,
        "eps": 0.1,
        "fitted_to": digits.train.fingerprint,
    }
    assert last.mean == ((0.0,) if whiten == "zca" else digits.train.mean)
    assert not torch.equal(first.images, last.images)
    plain = condense(digits).result(created="")
    assert not torch.equal(plain.images, last.images)
    found = evaluate(last, digits, sizes=[3], seeds=1)
    assert all(trial.test.whitening is not None for trial in found.planned)
    assert found.run()[0].accuracy > 0.8


def test_another_kernel_can_be_named(digits):
    run = condense(digits, settings={"objective.kernel": "rbf", "objective.kernel.bandwidth": "2"})
    assert run.recipe.objective == RidgeRegression(kernel=RBF(bandwidth=2.0))
    run.result(created="now")


def test_a_network_is_refused(digits):
    with pytest.raises(ConfigError, match="network = 'convnet3' does not go with schedule"):
        condense(digits, network="convnet3")
    idc = recipe_for("idc", data(), ipc=1, preset="smoke")
    with pytest.raises(ConfigError, match="network = 'none' does not go with schedule"):
        changed(idc, "network", "none")


def test_the_engine_is_said_to_have_nothing_to_do(digits):
    run = condense(digits)
    assert run.recipe.engine_reason == "no network to differentiate"
