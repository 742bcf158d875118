"""Labels of early-stopped experts: whose they are, what they change, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data, whitened
from condensery.errors import ConfigError, DataError
from condensery.evaluation import ExpertLabels, evaluate, relabel, table
from condensery.evaluation.trial import SetTrial
from condensery.experts import loaded
from condensery.selection import random_selection

SMALL = ExpertLabels(network="convnet1-w4", epoch=2, experts=2, lr=0.05)


def test_a_label_is_the_softmax_of_the_mean_logits_of_the_experts(
    data: Data, condensed: CondensedSet
):
    found = relabel(condensed, data, labels=replace(SMALL, temperature=2.0))

    images = (condensed.images.float() / 255 - 0.4) / 0.2
    experts = SMALL.trained_on(data.train)
    assert experts.missing == 0  # of the cache
    logits = torch.stack(
        [loaded(SMALL.untrained(data.train), experts.snapshots(i, 2)[0])(images) for i in range(2)]
    )
    assert found.soft_labels is not None
    expected = (logits.mean(dim=0) / 2).softmax(dim=1)
    torch.testing.assert_close(found.soft_labels, expected.detach())
    assert torch.equal(found.images, condensed.images)
    assert torch.equal(found.labels, condensed.labels)
    record = found.manifest["relabelled"]
    assert (record["network"], record["epoch"], record["experts"]) == ("convnet1-w4", 2, 2)
    assert 0 <= record["accuracy"] <= 1
    assert len(found.to_bytes()) > len(condensed.to_bytes())


def test_a_stored_image_has_the_mean_label_of_all_that_it_decodes_to(
    data: Data, condensed: CondensedSet
):
    decode = {"kind": "multi-formation", "factor": 2, "order": "image"}
    manifest = {**condensed.manifest, "decode": decode, "examples_each": 4}
    grid = replace(condensed, manifest=manifest)

    found = relabel(grid, data, labels=SMALL).soft_labels

    images, row = grid.decode_rows()
    assert row.bincount().tolist() == [4] * len(grid)
    experts = SMALL.trained_on(data.train)
    members = [loaded(SMALL.untrained(data.train), experts.snapshots(i, 2)[0]) for i in range(2)]
    logits = torch.stack([member((images - 0.4) / 0.2) for member in members]).mean(dim=0)
    each = logits.softmax(dim=1).detach()
    expected = torch.stack([each[row == number].mean(dim=0) for number in range(len(grid))])
    assert found is not None
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["zca", "zca-regularised"])
def test_a_whitened_set_is_labelled_by_experts_of_whitened_images(
    data: Data, condensed: CondensedSet, kind: str
):
    zca = {"kind": kind, "eps": 0.1, "fitted_to": data.train.fingerprint}
    white = replace(condensed, manifest={**condensed.manifest, "zca": zca})

    found = relabel(white, data, labels=SMALL)

    train = whitened(data.train, kind)
    experts = SMALL.trained_on(train)
    assert experts.missing == 0  # they were trained on whitened images
    images = train.normalise(condensed.images.float() / 255)
    members = [loaded(SMALL.untrained(train), experts.snapshots(i, 2)[0]) for i in range(2)]
    logits = torch.stack([member(images) for member in members]).mean(dim=0)
    assert found.soft_labels is not None
    torch.testing.assert_close(found.soft_labels, logits.softmax(dim=1).detach())
    plain = relabel(condensed, data, labels=SMALL).soft_labels
    assert plain is not None
    assert not torch.allclose(found.soft_labels, plain, atol=1e-3)
    assert found.manifest["zca"] == zca

    evaluation = evaluate(
        found, data, sizes=[1], networks=["convnet1-w4"], seeds=1, steps=3, protocol="teacher"
    )
    random = next(trial for trial in evaluation.planned if trial.set == "random")
    assert isinstance(random, SetTrial)
    assert random.images.soft_labels is not None
    assert random.images.manifest["zca"] == zca
    assert len(evaluation.run()) == 2


def test_labels_of_experts_need_the_images_that_the_whitening_was_fitted_to(
    data: Data, condensed: CondensedSet
):
    zca = {"kind": "zca", "eps": 0.1, "fitted_to": "other images"}
    white = replace(condensed, manifest={**condensed.manifest, "zca": zca})
    with pytest.raises(DataError, match="whiten"):
        relabel(white, data, labels=SMALL)


def test_hard_protocols_give_the_same_numbers_as_before(data: Data, condensed: CondensedSet):
    choices = {"sizes": [2], "networks": ["convnet1-w4"], "seeds": 1, "steps": 5, "baselines": ()}
    labelled = relabel(condensed, data, labels=SMALL)

    before, after = (
        evaluate(each, data, protocol="adamw", **choices).run()[0] for each in (condensed, labelled)
    )

    assert (before.accuracy, before.fingerprint) == (after.accuracy, after.fingerprint)


def test_protocol_teacher_gives_baselines_labels_of_the_same_experts(
    data: Data, condensed: CondensedSet
):
    labelled = relabel(condensed, data, labels=SMALL)
    evaluation = evaluate(
        labelled, data, sizes=[1], networks=["convnet1-w4"], seeds=1, steps=3, protocol="teacher"
    )

    random = next(trial for trial in evaluation.planned if trial.set == "random")

    assert isinstance(random, SetTrial)
    expected = relabel(random_selection(data.train, ipc=1, seed=0), data, labels=SMALL)
    assert random.images.soft_labels is not None
    assert torch.equal(random.images.soft_labels, expected.soft_labels)
    text = table(evaluation.summary())
    assert "protocol teacher" in text
    assert "Labels are learned ones where a set has them" in text
    hard = evaluate(labelled, data, sizes=[1], networks=["convnet1-w4"], seeds=1, steps=3)
    assert "learned ones" not in hard.table()


def test_what_cannot_label_or_be_labelled_is_refused(data: Data, condensed: CondensedSet):
    with pytest.raises(ConfigError, match="condensery relabel"):
        evaluate(condensed, data, protocol="teacher")
    with pytest.raises(ConfigError, match="running statistics"):
        relabel(condensed, data, labels=ExpertLabels(network="convnet1-w4-bn"))
    with pytest.raises(ConfigError, match="epoch = 0"):
        ExpertLabels(epoch=0)
    with pytest.raises(ConfigError, match="temperature"):
        ExpertLabels(temperature=0.0)
    other = replace(data, train=replace(data.train, class_names=("c2", "c1", "c0")))
    with pytest.raises(ConfigError, match="same order"):
        relabel(condensed, other, labels=SMALL)


def test_the_command_writes_a_file_with_labels_that_the_protocol_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, out = tmp_path / "r.safetensors", tmp_path / "soft.safetensors"
    assert main(["select", "digits", "--by", "random", "--ipc", "1", "--out", str(source)]) == 0
    given = ["--data", "digits", "--network", "convnet1-w4", "--epoch", "1", "--out", str(out)]
    assert main(["relabel", str(source), *given]) == 0
    assert "after 1 epochs, which classifies" in capsys.readouterr().out

    found = CondensedSet.load(out)
    assert found.soft_labels is not None
    torch.testing.assert_close(found.soft_labels.sum(dim=1), torch.ones(10))
    assert found.manifest["relabelled"]["cpu_seconds"] > 0
