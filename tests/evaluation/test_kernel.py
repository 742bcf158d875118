"""Protocol kip: the regression that a set was condensed for, on every size, without a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from condensery.condensed.artifact import CondensedSet
from condensery.condensing.objectives import RidgeRegression
from condensery.data import Data
from condensery.errors import ConfigError
from condensery.evaluation import evaluate, table
from condensery.evaluation.kernel import kernel_accuracy, regression_of
from condensery.kernels import RBF, FullyConnected


def of_kip(condensed: CondensedSet, objective: dict[str, object], **more: object) -> CondensedSet:
    manifest = {**condensed.manifest, "method": "kip", "recipe": {"objective": objective}}
    return replace(condensed, manifest={**manifest, **more})


RIDGE = {
    "kind": "ridge-regression",
    "kernel": {"kind": "fully-connected", "depth": 2, "variant": "nngp"},
    "regularisation": 0.5,
}


def test_the_kernel_and_the_ridge_are_those_of_the_recipe(condensed: CondensedSet):
    expected = RidgeRegression(kernel=FullyConnected(depth=2, variant="nngp"), regularisation=0.5)
    assert regression_of(of_kip(condensed, RIDGE).manifest["recipe"]) == expected
    assert regression_of({"objective": {"kind": "gradient"}}) is None
    assert regression_of({}) is None


def test_an_accuracy_is_the_share_of_right_predictions(data: Data, condensed: CondensedSet):
    regression = RidgeRegression()
    decoded = condensed.decode()
    images = data.test.normalise(decoded.images)
    shown = data.test.normalise(data.test.pixels(torch.arange(len(data.test))))
    said = regression.classify(images, decoded.class_, shown, classes=3)
    expected = float((said == data.test.labels).double().mean())
    assert kernel_accuracy(regression, images, decoded.class_, data.test) == expected
    wrong = (decoded.class_ + 1) % 3
    turned = kernel_accuracy(regression, images, wrong, data.test)
    assert expected > 0.9
    assert turned < 0.1


def test_a_set_of_kip_is_tested_without_a_network_unless_asked_otherwise(
    data: Data, condensed: CondensedSet
):
    found = evaluate(of_kip(condensed, RIDGE), data, sizes=[1, 4], seeds=2, steps=9)
    seen = found.run()
    assert {o.network for o in seen} == {"nngp-fc2"}
    assert {(o.protocol, o.epochs, o.steps, o.precision) for o in seen} == {
        ("kip", None, None, "fp32")
    }
    assert [o.set for o in seen] == ["condensed", "random"] * 4
    assert [o.images for o in seen] == [3, 3, 12, 12] * 2
    ours = [o.accuracy for o in seen if o.set == "condensed"]
    assert ours[:2] == ours[2:]  # a regression draws nothing
    assert table(found.summary()).startswith("protocol kip, no training, nngp-fc2, 2 seeds")
    trained = evaluate(of_kip(condensed, RIDGE), data, sizes=[1], protocol="idc", steps=1)
    assert trained.planned[0].protocol.regression is None


def test_other_sets_are_tested_with_the_default_kernel_if_asked(
    data: Data, condensed: CondensedSet
):
    (trial, _) = evaluate(condensed, data, sizes=[1], seeds=1, protocol="kip").planned
    assert trial.protocol.regression == RidgeRegression()
    assert trial.name == "ntk-fc1"


def test_learned_labels_are_used(data: Data, condensed: CondensedSet):
    decoded = condensed.decode()
    soft = torch.nn.functional.one_hot((decoded.class_ + 1) % 3, 3).float()
    each = [held + 12 * 3 * (k + 1) for k, held in enumerate(condensed.manifest["bytes"])]
    turned = replace(condensed, soft_labels=soft, manifest={**condensed.manifest, "bytes": each})
    right, wrong = (
        evaluate(each_, data, sizes=[4], seeds=1, protocol="kip", baselines=()).run()[0]
        for each_ in (condensed, turned)
    )
    assert right.accuracy > 0.9
    assert wrong.accuracy < 0.1
    hard = evaluate(turned, data, sizes=[4], seeds=1, protocol="kip", labels="hard", baselines=())
    assert hard.run()[0].accuracy == right.accuracy


def test_another_kernel_is_another_fingerprint(data: Data, condensed: CondensedSet):
    other = {**RIDGE, "kernel": {"kind": "rbf", "bandwidth": 0.5}}
    one, two = (
        evaluate(of_kip(condensed, objective), data, sizes=[1], seeds=1).planned[0]
        for objective in (RIDGE, other)
    )
    assert one.fingerprint != two.fingerprint
    assert two.name == RBF(bandwidth=0.5).name == "rbf-0.5"


def test_a_recipe_that_names_no_kernel_of_ours_is_refused(data: Data, condensed: CondensedSet):
    with pytest.raises(ConfigError, match=r"kernel = 'rfb' is unknown.*Did you mean 'rbf'"):
        evaluate(of_kip(condensed, {**RIDGE, "kernel": {"kind": "rfb"}}), data)
