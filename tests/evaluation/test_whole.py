"""Networks on all real images: how they are trained, and that all runs share the results."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from condensery.augment import Identity
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import ArtifactError, ConfigError
from condensery.evaluation import Observation, Protocol, Teacher, evaluate, protocol_for, table
from condensery.evaluation.protocol import EvaluatedSet
from condensery.evaluation.trial import Trial, fresh
from condensery.evaluation.whole import WholeTrial, whole_protocol
from condensery.rng import stream
from condensery.selection import random_selection
from condensery.training import SGDTraining, accuracy, batches

NETWORK = "convnet1-w4"
PLAIN = Protocol(name="plain", training=SGDTraining(augment=Identity(), cutmix=0.0), steps=6)


def small(condensed: CondensedSet, data: Data, **changes: object) -> list[Observation]:
    choices: dict[str, object] = {
        "sizes": [1, 2],
        "networks": [NETWORK],
        "seeds": 2,
        "steps": 3,
        "baselines": (),
        "whole": 5,
    }
    return list(evaluate(condensed, data, **(choices | changes)))


def test_networks_on_all_images_come_last_with_the_length_that_was_asked_for(
    data: Data, condensed: CondensedSet
):
    seen = small(condensed, data)

    assert [o.set for o in seen] == ["condensed"] * 4 + ["whole"] * 2
    for observation in seen[4:]:
        assert (observation.images, observation.size) == (31, 10)
        assert (observation.epochs, observation.steps) == (None, 5)
    assert [o.seed for o in seen[4:]] == [0, 1]


def test_a_network_on_all_images_is_plain_sgd_on_normalised_batches_of_all_of_them(
    data: Data, condensed: CondensedSet
):
    (seen,) = small(condensed, data, sizes=[1], seeds=1, protocol=PLAIN, steps=None, whole=6)[1:]

    network = fresh(NETWORK, data.test, size=10, seed=0)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images = (data.train.images.float() / 255 - 0.4) / 0.2
    order = batches(31, 64, rng=stream(0, "evaluate", "order"))
    for step, index in zip(range(6), order, strict=False):
        optimiser.param_groups[0]["lr"] = 0.01 * 0.2 ** sum(step >= end for end in (4, 5))
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(images[index]), data.train.labels[index])
        loss.backward()
        optimiser.step()
    assert seen.accuracy == accuracy(network, data.test)


def test_a_result_is_trained_once_for_all_runs_sets_and_label_kinds(
    data: Data, condensed: CondensedSet, own_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    first = small(condensed, data)[4:]
    files = sorted((own_cache / "whole").iterdir())
    assert len(files) == 2
    assert json.loads(files[0].read_bytes())["steps"] == 5

    monkeypatch.setattr(Trial, "run", lambda *_, **__: pytest.fail("a network was trained"))
    other = random_selection(data.train, ipc=2, seed=5)
    trials = evaluate(other, data, sizes=[1], networks=[NETWORK], seeds=2, steps=3, whole=5).planned
    again = [each.run(compiled=False) for each in trials if isinstance(each, WholeTrial)]

    assert again == [(o.accuracy, None) for o in first]


def test_other_data_networks_settings_and_lengths_are_trained_anew(
    data: Data, condensed: CondensedSet
):
    def files(**changes: object) -> set[str]:
        choices: dict[str, object] = {
            "networks": [NETWORK],
            "seeds": 1,
            "whole": 5,
            "precision": "fp32",
        }
        planned = evaluate(condensed, changes.pop("data", data), **(choices | changes)).planned
        return {each.file.name for each in planned if isinstance(each, WholeTrial)}

    brighter = replace(data.train, images=data.train.images + 1)
    found = [
        files(),
        files(networks=["convnet2-w4"]),
        files(protocol="adamw"),
        files(whole=6),
        files(seed=1),
        files(precision="bf16"),
        files(data=replace(data, test=replace(data.test, labels=data.test.labels.flip(0)))),
    ]
    found.append(files(data=replace(data, train=brighter)))

    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) == len(found)
    assert files(steps=7) == files(epochs=9) == found[0]  # lengths of the set do not count


def test_a_network_of_ones_own_is_trained_anew_when_its_code_changes(
    data: Data, condensed: CondensedSet
):
    def made(bias: bool) -> str:
        def own(*, channels: int, classes: int, side: tuple[int, int]) -> nn.Module:
            linear = nn.Linear(channels * side[0] * side[1], classes, bias=bias)
            return nn.Sequential(nn.Flatten(), linear)

        planned = evaluate(condensed, data, networks=[own], seeds=1, whole=5).planned
        return next(each.file.name for each in planned if isinstance(each, WholeTrial))

    assert made(True) != made(False)
    assert made(True) == made(True)


def test_the_length_is_twenty_passes_but_at_least_5000_steps():
    usual = protocol_for("idc", EvaluatedSet(data="cifar10"))

    assert whole_protocol(usual, images=50_000).steps == 20 * 782
    assert whole_protocol(usual, images=1500).steps == 5000
    soft = replace(usual, name="idc-soft", labels="soft", teacher=Teacher())
    trained = whole_protocol(soft, images=1500)
    assert (trained.name, trained.labels, trained.teacher) == ("idc", "hard", None)


def test_a_regression_and_a_length_of_zero_are_refused_before_anything_is_trained(
    data: Data, condensed: CondensedSet
):
    with pytest.raises(ConfigError, match="trains no network"):
        evaluate(condensed, data, protocol="kip", whole=True)
    with pytest.raises(ConfigError, match="at least 1 step"):
        evaluate(condensed, data, whole=0)


def test_a_damaged_result_is_named_and_a_cache_that_cannot_be_written_loses_no_result(
    data: Data,
    condensed: CondensedSet,
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
):
    small(condensed, data, seeds=1)
    (file,) = (own_cache / "whole").iterdir()
    file.write_text("{")
    with pytest.raises(ArtifactError, match="is damaged"):
        small(condensed, data, seeds=1)

    file.unlink()
    (own_cache / "whole").rmdir()
    (own_cache / "whole").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        assert small(condensed, data, seeds=1)[-1].set == "whole"
    assert "cannot be kept" in caplog.text


def test_sizes_are_shown_as_a_share_of_what_all_images_give(data: Data, condensed: CondensedSet):
    evaluation = evaluate(
        condensed, data, sizes=[1], networks=[NETWORK], seeds=1, steps=3, baselines=(), whole=40
    )

    (record,) = evaluation.summary()

    whole = record["whole"]
    assert (whole["images"], whole["steps"], whole["seeds"], whole["std"]) == (31, 40, 1, None)
    share = 100 * record["accuracy"] / whole["accuracy"]
    text = table([record])
    assert f" {share:.1f} % |" in text
    assert f"All 31 training images: {100 * whole['accuracy']:.1f} % (1 network, 40 steps)" in text
