"""A network trained on the data to select from, watched step by step; and its features.

Knows nothing about rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from condensery.data import ImageData
from condensery.networks import build, still_features
from condensery.rng import stream
from condensery.selection.order import Asked
from condensery.training import SGDTraining, Trainer, batches

__all__ = ["TRAINING", "Step", "class_features", "course", "drawn", "trained"]

TRAINING = SGDTraining()
"""IDC's network update: batch 64, step size 0.01, colour and crop per image, CutMix on half."""

_FORWARD = 256
"""Images per forward of the features."""


class Step(NamedTuple):
    """What a step is about to be taken on; images are normalised, labels classes."""

    positions: Int[Tensor, "example"]
    images: Float[Tensor, "example channel height width"]
    labels: Int[Tensor, "example"]


def drawn(data: ImageData, asked: Asked) -> nn.Module:
    """The untrained network.

    Raises:
        ConfigError: If it is unknown, or cannot work on such images.
    """
    return build(
        asked.network,
        channels=data.channels,
        classes=data.classes,
        side=data.side,
        seed=asked.seed,
        path=("selection", "network"),
    ).to(asked.device)


def course(network: nn.Module, data: ImageData, asked: Asked) -> Iterator[Step]:
    """Train in place; every step is shown before it is taken, one random permutation an epoch."""
    trainer = Trainer(network, TRAINING)
    order = batches(len(data), TRAINING.batch, rng=stream(asked.seed, "selection", "order"))
    rng = stream(asked.seed, "selection", "view")
    for index in islice(order, asked.steps):
        images = data.normalise(data.pixels(index)).to(asked.device)
        labels = data.labels[index].to(asked.device)
        yield Step(index, images, labels)
        trainer.step(images, labels, rng=rng)
        asked.on_step()


def trained(data: ImageData, asked: Asked) -> nn.Module:
    """The network after ``asked.steps`` steps; one that was trained before is taken again."""
    key = (asked.network, asked.seed, asked.steps, asked.device)
    if key not in asked.trained:
        network = drawn(data, asked)
        for _ in course(network, data, asked):
            pass
        asked.trained[key] = network
    return asked.trained[key]


def class_features(
    network: nn.Module, data: ImageData, class_: int
) -> Float[Tensor, "image feature"]:
    """What the network sees in the images of a class, flattened, in data set order, on the CPU.

    Not augmented, in evaluation mode, ``_FORWARD`` images at a time: beyond these the features
    of one class are in memory, 4 bytes a number (5000 images of ConvNet-3 on 32x32: 41 MB).
    """
    parts = (data.normalise(data.pixels(own)) for own in data.of_class(class_).split(_FORWARD))
    return still_features(network, parts).cpu()
