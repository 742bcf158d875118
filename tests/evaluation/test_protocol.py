from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from condensery.augment import Identity
from condensery.errors import ConfigError
from condensery.evaluation import Protocol, Subject, protocol_for
from condensery.training import SGDTraining


def idc(data: str, factor: int = 2, ipc: int = 10, **length: int) -> Protocol:
    return protocol_for("idc", Subject(data=data, factor=factor, ipc=ipc), **length)


@pytest.mark.parametrize(
    ("data", "factor", "ipc", "strategy", "cutmix"),
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
    ],
)
def test_the_idc_protocol_is_the_released_one_for_every_set(data, factor, ipc, strategy, cutmix):
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


def test_with_epochs_the_step_size_shrinks_between_epochs():
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
    subject = Subject(data="cifar10")

    assert protocol_for(own, subject) is own
    assert protocol_for(own, subject, epochs=8) == replace(own, epochs=8)
    assert protocol_for(own, subject, steps=9) == replace(own, steps=9)
    assert protocol_for(replace(own, steps=9), subject, epochs=8) == replace(own, epochs=8)
    assert own.lr(9, images=10) == 0.1
    assert own.lr(10, images=10) == pytest.approx(0.01)


def test_an_unknown_protocol_names_the_nearest_one():
    with pytest.raises(ConfigError, match=r"'idcc' is not known. Did you mean 'idc'"):
        protocol_for("idcc", Subject(data="cifar10"))


@pytest.mark.parametrize("length", [{"epochs": 0}, {"steps": 0}, {"epochs": -3}])
def test_a_training_without_a_step_is_refused(length):
    with pytest.raises(ConfigError, match="at least 1"):
        idc("cifar10", **length)


def test_two_lengths_are_refused():
    with pytest.raises(ConfigError, match="epochs = 3 and steps = 4"):
        idc("cifar10", epochs=3, steps=4)
