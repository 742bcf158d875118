from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from fractions import Fraction

import pytest

from condensery.augment import Identity, PerExample
from condensery.errors import ConfigError
from condensery.evaluation import EvaluatedSet, Protocol, Teacher, protocol_for
from condensery.evaluation.protocol import has_soft_labels
from condensery.parts import non_defaults
from condensery.registry import parts
from condensery.training import AdamWTraining, SGDTraining


def idc(data: str, factor: int = 2, ipc: int = 10, **length: int) -> Protocol:
    return protocol_for("idc", EvaluatedSet(data=data, examples_each=factor**2, ipc=ipc), **length)


def test_the_idc_protocol_is_the_released_one_for_every_set(each):
    for data, factor, ipc, strategy, cutmix in each(
        [
            ("cifar10", 2, 10, "color_crop_flip_scale_rotate", 0.5),
            ("fashion-mnist", 2, 10, "color_crop_flip_scale_rotate", 0.5),
            ("svhn", 2, 1, "color_crop_scale_rotate", 0.5),
            ("svhn", 1, 10, "color_crop_scale_rotate", 0.5),
            ("svhn", 1, 1, "color_crop_cutout_scale_rotate", 0.0),
            ("mnist", 1, 10, "color_crop_scale_rotate", 0.5),
            ("mnist", 2, 10, "color_crop_scale_rotate", 0.0),
            ("digits", 2, 10, "color_crop_scale_rotate", 0.5),
            ("cifar10", 1, 1, "color_crop_flip_scale_rotate", 0.5),
        ]
    ):
        protocol = idc(data, factor, ipc)
        training = protocol.training

        assert training.augment.strategy == strategy
        assert training.augment.mode == "idc"
        assert training.cutmix == cutmix
        assert (training.batch, training.lr, training.momentum) == (64, 0.01, 0.9)
        assert (training.weight_decay, protocol.epochs, protocol.steps) == (5e-4, 1000, None)


def test_epochs_count_the_last_partial_batch():
    protocol = idc("cifar10", epochs=30)

    assert protocol.total_steps(64) == 30
    assert protocol.total_steps(65) == 60
    assert protocol.total_steps(40) == 30
    assert protocol.total_steps(400) == 210


def test_with_epochs_the_learning_rate_shrinks_between_epochs():
    protocol = idc("cifar10", epochs=7)  # after epochs 4 and 5; two steps an epoch

    rates = [protocol.lr(step, images=100) for step in range(14)]

    expected = [0.01] * 8 + [0.01 * 0.2] * 2 + [0.01 * 0.2**2] * 4
    assert rates == pytest.approx(expected, rel=1e-12)


def test_with_steps_every_set_is_trained_alike_whatever_its_size():
    protocol = idc("cifar10", steps=60)

    for images in (10, 64, 400):
        assert protocol.total_steps(images) == 60
        rates = [protocol.lr(step, images=images) for step in range(60)]
        assert rates == pytest.approx([0.01] * 40 + [0.002] * 10 + [0.0004] * 10, rel=1e-12)


def test_a_protocol_of_ones_own_is_taken_as_it_is_or_at_another_length():
    own = Protocol(
        name="mine",
        training=SGDTraining(augment=Identity(), lr=0.1),
        epochs=20,
        milestones=(Fraction(1, 2),),
        gamma=0.1,
    )
    evaluated = EvaluatedSet(data="cifar10")

    assert protocol_for(own, evaluated) is own
    assert protocol_for(own, evaluated, epochs=8) == replace(own, epochs=8)
    assert protocol_for(own, evaluated, steps=9) == replace(own, steps=9)
    assert protocol_for(replace(own, steps=9), evaluated, epochs=8) == replace(own, epochs=8)
    assert own.lr(9, images=10) == 0.1
    assert own.lr(10, images=10) == pytest.approx(0.01)


def test_an_unknown_protocol_names_the_nearest_one():
    with pytest.raises(ConfigError, match=r"'idcc' is unknown.* Did you mean 'idc'"):
        protocol_for("idcc", EvaluatedSet(data="cifar10"))


def test_a_training_without_a_step_is_refused(each):
    for length in each([{"epochs": 0}, {"steps": 0}, {"epochs": -3}]):
        with pytest.raises(ConfigError, match="at least 1"):
            idc("cifar10", **length)


def test_two_lengths_are_refused():
    with pytest.raises(ConfigError, match="epochs = 3 and steps = 4"):
        idc("cifar10", epochs=3, steps=4)


HALF = {
    "dc": (300, "cifar10", Identity()),
    "dsa": (
        1000,
        "cifar10",
        PerExample(strategy="color_crop_cutout_flip_scale_rotate", mode="dsa"),
    ),
    "mtt": (
        1000,
        "cifar10",
        PerExample(strategy="color_crop_cutout_flip_scale_rotate", mode="dsa"),
    ),
}


def test_the_dc_dsa_and_mtt_protocols_are_the_released_ones(each):
    for name in each(HALF):
        epochs, data, augment = HALF[name]
        protocol = protocol_for(name, EvaluatedSet(data=data, learned_lr=0.02))
        training = protocol.training

        assert (protocol.name, protocol.epochs, protocol.labels) == (name, epochs, "hard")
        assert (training.batch, training.momentum, training.weight_decay) == (256, 0.9, 5e-4)
        assert training.lr == (0.02 if name == "mtt" else 0.01)
        assert training.augment == augment
        assert training.cutmix == 0


def test_digits_are_not_mirrored_and_dc_moves_those_of_mnist():
    for data in ("mnist", "svhn", "digits"):
        dsa = protocol_for("dsa", EvaluatedSet(data=data))
        assert dsa.training.augment.strategy == "color_crop_cutout_scale_rotate"
    mnist = protocol_for("dc", EvaluatedSet(data="MNIST"))
    assert mnist.epochs == 1000
    assert mnist.training.augment == PerExample(strategy="crop_scale_rotate", mode="dsa")
    assert protocol_for("dc", EvaluatedSet(data="svhn")).training.augment == Identity()


def test_the_dc_protocol_drops_once_behind_the_middle_and_begins_momentum_anew():
    protocol = protocol_for("dc", EvaluatedSet(data="cifar10"), epochs=6)
    steps = protocol.total_steps(300)  # two steps an epoch, one epoch more

    rates = [protocol.lr(step, images=300) for step in range(steps)]
    anew = [step for step in range(steps) if protocol.restarts(step, images=300)]

    assert rates == pytest.approx([0.01] * 10 + [0.001] * 4)
    assert anew == [10]


def test_with_steps_the_dc_protocol_drops_in_the_middle_of_exactly_so_many():
    protocol = protocol_for("dc", EvaluatedSet(data="cifar10"), steps=9)

    rates = [protocol.lr(step, images=1000) for step in range(protocol.total_steps(1000))]

    assert rates == pytest.approx([0.01] * 4 + [0.001] * 5)
    assert [step for step in range(9) if protocol.restarts(step, images=1000)] == [4]


def test_the_idc_protocol_keeps_its_momentum():
    protocol = idc("cifar10", epochs=6)

    assert not any(protocol.restarts(step, images=64) for step in range(6))


def test_a_set_is_tested_as_its_method_was_published(each):
    for method, expected in each(
        [
            ("mdc", "idc"),
            ("idc", "idc"),
            ("dream", "idc"),
            ("a method of mine", "idc"),
            ("dc", "dc"),
            ("dsa", "dsa"),
            ("dm", "dsa"),
            ("mtt", "mtt"),
            ("frepo", "frepo"),
            ("dance", "dance"),
            ("tgdd", "dance"),
            ("ncfm", "ncfm"),
        ]
    ):
        evaluated = EvaluatedSet(data="cifar10", method=method, learned_lr=0.02)

        assert protocol_for(None, evaluated).name == expected
        assert protocol_for("idc", evaluated).name == "idc"


def test_frepo_is_dsa_on_the_labels_that_were_learned():
    evaluated = EvaluatedSet(data="mnist", method="frepo")
    expected = replace(protocol_for("dsa", evaluated), name="frepo", labels="soft")
    assert protocol_for(None, evaluated) == expected


def test_dance_is_idc_for_longer_and_ncfm_is_its_augmentation_under_adamw(each):
    for name, side, epochs in each(
        [("cifar10", 32, 1500), ("svhn", 32, 1500), ("mnist", 28, 1500), ("imagenette", 128, 1500)]
    ):
        evaluated = EvaluatedSet(data=name, side=side, ipc=10, examples_each=4)
        found = protocol_for("dance", evaluated)
        words = "color_crop_flip_scale_rotate"
        words = words.replace("flip_", "") if name in ("svhn", "mnist") else words
        training = SGDTraining(augment=PerExample(strategy=words), cutmix=0.5)
        assert (found.training, found.epochs) == (training, epochs)
        other = protocol_for("ncfm", evaluated)
        assert other.training == AdamWTraining(batch=128, lr=1e-3, augment=training.augment)
        rates = [other.lr(step, images=128) for step in (0, 399, 400, 800, 1200, 1600, 1999)]
        expected = [1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16]
        assert rates == pytest.approx([1e-3 * share for share in expected])
    photographs = EvaluatedSet(data="imagenette", side=128, ipc=1, examples_each=4)
    assert protocol_for("dance", photographs).epochs == 2000


def test_every_default_is_a_protocol():
    published = {method.protocol for method in parts("method").values()} - {""}
    assert published <= parts("protocol").keys()


def test_mtt_without_a_learned_lr_is_refused_with_what_would_work(each):
    for learned_lr in each([None, 0.0, -0.1]):
        with pytest.raises(ConfigError, match="Use protocol dsa"):
            protocol_for("mtt", EvaluatedSet(data="cifar10", learned_lr=learned_lr))


def test_other_labels_than_the_protocols_own_are_said_in_its_name():
    evaluated = EvaluatedSet(data="cifar10")
    soft = protocol_for("dsa", evaluated, labels="soft", epochs=5)

    assert (soft.name, soft.labels, soft.epochs) == ("dsa-soft", "soft", 5)
    assert protocol_for("dsa", evaluated, labels="hard") == protocol_for("dsa", evaluated)
    assert protocol_for(soft, evaluated, labels="soft") is soft
    with pytest.raises(ConfigError, match=r"labels = 'sofd' is unknown.*Did you mean 'soft'"):
        protocol_for("dsa", evaluated, labels="sofd")


def test_the_name_of_every_protocol_says_whether_labels_are_learned():
    evaluated = EvaluatedSet(data="cifar10", learned_lr=0.01)
    own = replace(protocol_for("dsa", evaluated), name="mine", labels="soft")

    assert protocol_for(own, evaluated).name == "mine-soft"
    for name in parts("protocol"):
        found = protocol_for(name, evaluated)
        assert has_soft_labels(found.name) == (found.labels == "soft")


def test_adamw_is_idc_with_another_optimiser_along_a_cosine():
    evaluated = EvaluatedSet(data="mnist", examples_each=4)
    protocol, usual = protocol_for("adamw", evaluated), protocol_for("idc", evaluated)
    assert protocol.training == AdamWTraining(augment=usual.training.augment, cutmix=0.0)
    assert protocol.total_steps(640) == usual.total_steps(640) == 10_000
    rates = [protocol.lr(step, images=640) for step in (0, 2500, 5000, 7500, 9999)]
    middle = [1e-3 * (1 + math.cos(math.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)]
    assert rates[:4] == pytest.approx(middle)
    assert 0 < rates[4] < 1e-9


def test_quick_is_idc_cut_to_1500_steps_of_full_batches():
    evaluated = EvaluatedSet(data="mnist", examples_each=4)
    protocol, usual = protocol_for("quick", evaluated), protocol_for("idc", evaluated)
    assert protocol.training.augment == usual.training.augment
    assert protocol.full_batches
    assert [protocol.total_steps(images) for images in (10, 640)] == [1500, 1500]
    assert protocol.lr(0, images=10) == pytest.approx(0.02)
    assert protocol.lr(1499, images=10) < 1e-6


def test_quick_augments_photographs_as_photographs():
    evaluated = EvaluatedSet(data="mine", side=128)
    protocol, usual = protocol_for("quick", evaluated), protocol_for("imagenet", evaluated)
    assert protocol.training.augment == usual.training.augment
    assert protocol.total_steps(640) == 500


def test_a_protocol_that_cannot_work_is_refused(each):
    for change, said in each(
        [
            ({"loss": "mse"}, "loss = 'mse' is unknown; known are cross-entropy, squared-error"),
            ({"decay": "cosin"}, "decay = 'cosin' is unknown.*mean 'cosine'"),
            ({"training": "sgd"}, "training .*no frozen dataclass"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            replace(protocol_for("idc", EvaluatedSet(data="cifar10")), **change)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"steps": 0}, r"teacher\.steps = 0"), ({"temperature": 0.0}, r"teacher\.temperature = 0\.0")],
)
def test_a_teacher_that_cannot_work_is_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        Teacher(**change)


def test_a_choice_with_a_default_that_is_added_changes_no_fingerprint():
    protocol = protocol_for("idc", EvaluatedSet(data="cifar10"))

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Later(Protocol):
        another: int = 3

    later = Later(**{f.name: getattr(protocol, f.name) for f in fields(protocol)})
    assert non_defaults(later) == non_defaults(protocol)
    assert non_defaults(replace(later, another=4)) != non_defaults(protocol)
    assert non_defaults(protocol_for("dsa", EvaluatedSet(data="cifar10"))) != non_defaults(protocol)


def test_defaults_that_fingerprints_leave_out_stay_what_they_are():
    """Whoever changes one of these gives the field another name, or measures everything anew."""
    assert protocol_defaults(Protocol(name="x", training=SGDTraining())) == {
        "training": "SGDTraining(batch=64, lr=0.01, momentum=0.9, weight_decay=0.0005, "
        "augment=PerExample(strategy='color_crop', mode='idc'), cutmix=0.5)",
        "epochs": "1000",
        "steps": "None",
        "milestones": "(Fraction(2, 3), Fraction(5, 6))",
        "gamma": "0.2",
        "extra": "0",
        "late": "0",
        "restart": "False",
        "labels": "'hard'",
        "regression": "None",
        "decay": "'milestones'",
        "loss": "'cross-entropy'",
        "teacher": "None",
        "full_batches": "False",
    }


def protocol_defaults(protocol):
    return {f.name: repr(getattr(protocol, f.name)) for f in fields(protocol) if f.name != "name"}
