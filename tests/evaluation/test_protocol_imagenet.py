"""The protocol for photographs: its length, its learning rates, and when it is chosen."""

from __future__ import annotations

import pytest
import torch

from condensery.augment import PhotoPerExample
from condensery.evaluation.protocol import EvaluatedSet
from condensery.evaluation.protocols import protocol_for
from condensery.networks import build
from condensery.rng import stream
from condensery.training import Trainer


def photos(**changes):
    return EvaluatedSet(**{"data": "imagenet-10", "method": "mdc", "side": 224, **changes})


def test_the_more_images_the_fewer_epochs(each):
    for ipc, factor, epochs in each(
        [
            *[
                (1, 1, 3000),
                (1, 3, 2000),
                (10, 1, 2000),
                (5, 3, 1500),
                (50, 1, 1500),
                (10, 3, 1000),
            ],
            *[(20, 3, 1000), (200, 1, 1000), (50, 3, 500), (500, 1, 500), (60, 3, 300)],
        ]
    ):
        assert protocol_for("imagenet", photos(ipc=ipc, examples_each=factor**2)).epochs == epochs


def test_a_hundred_classes_are_trained_shorter_and_with_larger_steps(each):
    for ipc, factor, epochs in each([(1, 1, 2000), (10, 1, 1300), (10, 3, 600)]):
        evaluated = photos(data="imagenet-100", ipc=ipc, examples_each=factor**2, classes=100)
        protocol = protocol_for("imagenet", evaluated)
        assert protocol.epochs == epochs
        training = protocol.training
        assert (training.batch, training.lr, training.weight_decay) == (128, 0.1, 1e-4)


def test_the_learning_rate_falls_to_a_fifth_twice():
    protocol = protocol_for("imagenet", photos(ipc=10, examples_each=9), epochs=6)
    rates = [protocol.lr(step, images=64) for step in range(6)]
    assert rates == pytest.approx([0.01] * 4 + [0.002, 0.0004])


def test_every_batch_is_mixed_and_augmented_as_photographs_are():
    evaluated = photos(mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
    training = protocol_for("imagenet", evaluated).training
    assert training.cutmix == 1.0
    assert training.augment == PhotoPerExample(mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))


def test_it_is_the_default_for_photographs(each):
    for method, side, name in each(
        [
            *[
                ("mdc", 32, "idc"),
                ("mdc", 64, "idc"),
                ("mdc", 65, "imagenet"),
                ("", 128, "imagenet"),
            ],
            *[("dm", 128, "dsa"), ("dc", 128, "dc")],
        ]
    ):
        assert protocol_for(None, photos(method=method, side=side)).name == name


def test_a_network_learns_by_it():
    rng = stream(0, "photos")
    labels = torch.arange(16) % 2
    images = torch.randn(16, 3, 16, 16, generator=rng) * 0.2
    images[:, 0] += 2.0 * labels[:, None, None] - 1
    network = build("convnet1-w8", channels=3, classes=2, side=(16, 16), seed=0, path=("x",))
    training = protocol_for("imagenet", photos()).training
    trainer = Trainer(network, training)
    for _ in range(30):
        trainer.step(images, labels, rng=rng)
    assert float((network(images).argmax(1) == labels).float().mean()) == 1.0
