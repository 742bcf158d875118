"""A set for whitened images is tested on images whitened in the same way, as are its baselines."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data, whitened
from condensery.errors import DataError
from condensery.evaluation import evaluate
from condensery.evaluation.normalisation import normalised_as, train_as
from condensery.selection import random_selection

KINDS = ("zca", "zca-regularised")


def white(condensed: CondensedSet, data: Data, kind: str, **changes: object) -> CondensedSet:
    zca = {"kind": kind, "eps": 0.1, "fitted_to": data.train.fingerprint, **changes}
    return replace(condensed, manifest={**condensed.manifest, "zca": zca})


@pytest.mark.parametrize("kind", KINDS)
def test_test_and_training_images_are_whitened_by_the_training_split(
    data: Data, condensed: CondensedSet, kind: str
):
    images = torch.rand(2, 1, 8, 8)
    expected = whitened(data.train, kind).normalise(images)
    made = white(condensed, data, kind)
    test, train = normalised_as(made, data), train_as(made, data)
    assert torch.equal(test.normalise(images), expected)
    assert torch.equal(train.normalise(images), expected)
    assert torch.equal(test.images, data.test.images)
    assert torch.equal(train.images, data.train.images)


def test_without_a_whitening_the_mean_and_deviation_are_those_of_the_set(
    data: Data, condensed: CondensedSet
):
    other = replace(condensed, manifest={**condensed.manifest, "mean": [0.1], "std": [0.7]})
    test = normalised_as(other, data)
    assert (test.mean, test.std, test.whitening) == ((0.1,), (0.7,), None)
    assert train_as(other, data) is data.train


def test_baselines_are_whitened_the_same_way(each, data: Data, condensed: CondensedSet):
    for protocol, kind in each(product(["kip", "idc"], KINDS)):
        found = evaluate(
            white(condensed, data, kind),
            data,
            sizes=[2],
            networks=["convnet1-w4"],
            seeds=1,
            protocol=protocol,
            baselines=("random", "first"),
            steps=1,
        )
        images = torch.rand(2, 1, 8, 8)
        shown = [trial.test.normalise(images) for trial in found.planned]
        assert [trial.set for trial in found.planned] == ["condensed", "random", "first"]
        assert torch.equal(shown[0], shown[1])
        assert torch.equal(shown[0], shown[2])
        record = {"kind": kind, "eps": 0.1, "fitted_to": data.train.fingerprint}
        assert found.planned[1].images.manifest["zca"] == record
        assert len(found.run()) == 3


def test_a_whitened_set_has_another_fingerprint(data: Data, condensed: CondensedSet):
    prints = {
        evaluate(each, data, sizes=[1], seeds=1).planned[0].fingerprint
        for each in (condensed, *(white(condensed, data, kind) for kind in KINDS))
    }
    assert len(prints) == 3


def test_a_whitening_that_cannot_be_obtained_is_refused(each, data: Data, condensed: CondensedSet):
    for changes, said in each(
        [
            ({"fitted_to": "0" * 32}, "fingerprint 0{32}, but the training images of toy have"),
            ({"kind": "pca"}, "no ZCA known here"),
            ({"kind": "none"}, "no ZCA known here"),
            ({"eps": 0.2}, "with eps 0.1"),
        ]
    ):
        with pytest.raises(DataError, match=said):
            evaluate(white(condensed, data, **{"kind": "zca", **changes}), data)


def test_a_whitened_selection_says_so(data: Data):
    found = random_selection(whitened(data.train, "zca"), ipc=2, seed=0)
    assert found.manifest["zca"]["kind"] == "zca"
    assert (found.mean, found.std) == ((0.0,), (1.0,))
