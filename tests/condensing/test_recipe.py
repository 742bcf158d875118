"""A recipe is a value: written, read, changed by key."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

from condensery.augment import Identity, PerExample, Siamese
from condensery.condensing.init import HerdedImages, Noise
from condensery.condensing.objectives import DistributionMatching, GradientMatching
from condensery.condensing.recipe import from_json, to_json
from condensery.condensing.sizes import AllSizes, MostLearnable, RandomSize
from condensery.condensing.updates import SGD, Adam
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.methods import recipe_for
from condensery.parameterizations import MultiFormation, Pixels
from condensery.parts import changed
from condensery.registry import parts


def data(name="cifar10", side=32, channels=3):
    return ImageData(
        name=name,
        images=torch.zeros(4, channels, side, side, dtype=torch.uint8),
        labels=torch.tensor([0, 1, 0, 1]),
        class_names=("a", "b"),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


@pytest.fixture
def recipe():
    return recipe_for("mdc", data(), ipc=3, preset="paper")


NAMES = [("cifar10", 32, 3), ("mnist", 28, 1), ("imagenet-10", 224, 3), ("tiny", 8, 1)]


def test_every_recipe_survives_writing_and_reading(each):
    for (method, preset), name in each(
        product([(m, p) for m, known in parts("method").items() for p in known.presets], NAMES)
    ):
        written = recipe_for(method, data(*name), ipc=7, preset=preset)
        read = from_json(json.loads(json.dumps(to_json(written))))
        assert read == written
        assert to_json(read) == to_json(written)


def test_every_part_survives_writing_and_reading(each, recipe):
    for change in each(
        [
            {"parameterization": MultiFormation(factor=3, order="crop")},
            {"init": Noise(like="data")},
            {"init": HerdedImages(candidates=5, networks=2, sample=9)},
            {"augment": Identity()},
            {"augment": Siamese(strategy="flip", mode="dsa")},
            {"objective": DistributionMatching(blocks=2)},
            {"objective": GradientMatching(metric="cosine", parameters="all")},
            {"size_policy": AllSizes()},
            {"size_policy": RandomSize()},
            {"size_policy": MostLearnable(period=7, freeze="released", classwise=True, decimals=2)},
            {"engine": "autograd", "precision": "bf16", "compiled": True, "classes_per_pass": 4},
            {"engine": "fused", "batch": 3, "saved_activations": 0},
        ]
    ):
        written = replace(recipe, **change)
        assert from_json(json.loads(json.dumps(to_json(written)))) == written


def test_a_recipe_says_the_kind_of_each_part(recipe):
    values = to_json(recipe)
    assert values["size_policy"] == {
        "kind": "most-learnable",
        "probe": {"kind": "distribution", "blocks": 1},
        "period": 100,
        "freeze": "exact",
        "classwise": False,
        "decimals": -1,
        "weights": "uniform",
    }
    assert values["update"]["kind"] == "sgd"
    assert values["schedule"]["training"]["augment"]["kind"] == "per-example"


def test_a_recipe_that_cannot_be_read_is_refused(each, recipe):
    for changes, said in each(
        [
            ({"size_polizy": {}}, "no key 'size_polizy'.*Did you mean 'size_policy'"),
            ({"size_policy": {"kind": "al"}}, "size_policy = 'al'.*Did you mean 'all'"),
            ({"size_policy": {"period": 3}}, "size_policy = None is unknown"),
            (
                {"size_policy": {"kind": "one", "period": 3}},
                "size_policy 'one' has no key 'period'; it has none",
            ),
            ({"size_policy": "all"}, "size_policy = 'all' is no part"),
            ({"update": None}, "update = None is no part"),
            ({"update": {"kind": "sgd"}}, "cannot be built.* it needs lr"),
            ({"update": {"kind": "sgd", "lr": "much"}}, r"update\.lr = 'much' is no number"),
            ({"update": {"kind": "sgd", "lr": 0}}, r"update\.lr = 0"),
            ({"ipc": 0}, "ipc = 0"),
            ({"iterations": -1}, "iterations = -1"),
            ({"classes_per_pass": 0}, "classes_per_pass = 0"),
            ({"engine": "onepass"}, "engine = 'onepass'.*Did you mean 'one-pass'"),
            ({"precision": "fp16"}, "precision = 'fp16'.*Did you mean"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            from_json({**to_json(recipe), **changes})


def test_a_recipe_without_a_needed_key_is_refused(recipe):
    values = to_json(recipe)
    del values["objective"]
    with pytest.raises(ConfigError, match="objective"):
        from_json(values)


def test_a_key_is_set_and_nothing_else(each, recipe):
    for key, value, where, expected in each(
        [
            ("ipc", "7", lambda r: r.ipc, 7),
            ("network", "convnet2-w4", lambda r: r.network, "convnet2-w4"),
            ("network", "3", lambda r: r.network, "3"),
            ("compiled", "true", lambda r: r.compiled, True),
            ("update.lr", "0.25", lambda r: r.update.lr, 0.25),
            ("update.lr", "1", lambda r: r.update.lr, 1.0),
            ("update.lr", "1e-3", lambda r: r.update.lr, 1e-3),
            ("schedule.training.batch", "8", lambda r: r.schedule.training.batch, 8),
            (
                "schedule.training.augment",
                "none",
                lambda r: r.schedule.training.augment,
                Identity(),
            ),
            ("size_policy", "all", lambda r: r.size_policy, AllSizes()),
            ("size_policy.freeze", "released", lambda r: r.size_policy.freeze, "released"),
            ("size_policy.classwise", "true", lambda r: r.size_policy.classwise, True),
            ("parameterization", "pixels", lambda r: r.parameterization, Pixels()),
            ("objective", "distribution", lambda r: r.objective, DistributionMatching()),
        ]
    ):
        before = to_json(recipe)
        found = changed(recipe, key, value)
        assert where(found) == expected
        assert type(where(found)) is type(expected)
        assert to_json(recipe) == before
        top = key.split(".")[0]
        rest = {name: v for name, v in to_json(found).items() if name != top}
        assert rest == {name: v for name, v in before.items() if name != top}


def test_a_change_that_cannot_work_is_refused(each, recipe):
    for key, value, said in each(
        [
            ("ipk", "3", "no key 'ipk'.*Did you mean 'ipc'"),
            ("update.rl", "3", r"no key 'update\.rl'; update has lr, momentum"),
            ("updat.lr", "3", "no part 'updat' to set.*Did you mean 'update'"),
            ("update.lr.x", "3", r"no part 'update\.lr'"),
            ("size_policy.kind", "all", r"no key 'size_policy\.kind'"),
            ("", "3", "no key ''"),
            ("ipc", "many", "ipc = 'many' is no whole number; it is 3 now"),
            ("ipc", "1.5", "is no whole number"),
            ("ipc", "true", "is no whole number"),
            ("ipc", "0", "ipc = 0"),
            ("update.lr", "fast", "is no number"),
            ("update.lr", "NaN", r"update\.lr = nan"),
            ("update.lr", "Infinity", r"update\.lr = inf"),
            ("compiled", "yes", "known are true, false, graphs"),
            ("size_policy", "al", "size_policy = 'al' is unknown.*Did you mean 'all'"),
            ("engine", "onepass", "Did you mean 'one-pass'"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            changed(recipe, key, value)


def test_a_part_that_is_exchanged_keeps_what_has_no_default(recipe):
    other = changed(replace(recipe, update=Adam(lr=0.03, momentum=0.5)), "update", "sgd")
    assert other.update == SGD(lr=0.03)  # momentum has a default
    assert changed(other, "update.lr", "2").update == SGD(lr=2.0)
    labels = recipe_for("frepo", data(), ipc=1, preset="quick")  # on-simplex has no learning rate
    with pytest.raises(ConfigError, match="cannot be built from a name alone: it needs lr"):
        changed(labels, "labels.update", "adam")


def test_matching_refuses_a_draw_of_its_own_for_every_example(recipe):
    with pytest.raises(ConfigError, match="per-example"):
        replace(recipe, augment=PerExample())


def test_a_policy_that_chooses_does_so_twenty_times_a_run(recipe):
    long = changed(replace(recipe, iterations=2000), "size_policy", "most-learnable")
    assert long.size_policy.period == 100
    short = changed(replace(recipe, iterations=30), "size_policy", "most-learnable")
    assert short.size_policy.period == 1


def test_a_number_of_images_that_cannot_be_is_refused(each, recipe):
    for key, value in each([("batch", "0"), ("saved_activations", "-1"), ("batch", "few")]):
        with pytest.raises(
            ConfigError, match=f"{key} = .*(is a number of images|is no whole number)"
        ):
            changed(recipe, key, value)
        assert changed(recipe, "batch", "5").batch == 5
