"""Protocols: how networks are trained to test a set, or which regression tests it.

A protocol is the same for the condensed images and for the baselines. Knows nothing about networks,
and nothing about how the images were made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from condensery.condensing.objectives import RidgeRegression
from condensery.errors import ConfigError, nearest
from condensery.registry import check_part
from condensery.training import MILESTONES, SGDTraining, Training, check_loss, decayed

LABELS = ("hard", "soft")
"""Labels of a training: classes, or the class probabilities that a set has learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSet:
    """The facts about an evaluated set that a protocol may depend on.

    Attributes:
        data: Name of the data set, for example ``"cifar10"``.
        examples_each: Number of training images in a stored image; 1 if images are stored whole.
        ipc: Largest size of the condensed set, in images per class.
        method: The method that condensed the set, for example ``"dm"``; decides the default
            protocol.
        learned_lr: The learning rate that the set has learned, or ``None``.
        regression: The kernel regression for which the set was condensed, or ``None``.
        classes: Number of classes.
        side: Pixels of the shorter side of an image.
        mean: Mean of each channel in the normalisation of the images.
        std: Standard deviation of each channel in the normalisation of the images.
    """

    data: str
    examples_each: int = 1
    ipc: int = 1
    method: str = ""
    learned_lr: float | None = None
    regression: RidgeRegression | None = None
    classes: int = 10
    side: int = 32
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A network that is trained on the real training images and labels every batch.

    Attributes:
        network: Name of the network, or ``"package.module:factory"``.
        training: How it is trained; the learning rate falls along a cosine.
        steps: Steps of its training, at least 1.
        temperature: Divisor of its logits before the softmax, > 0.
        seed: Seed of the network and its training.
    """

    network: str = "convnet3"
    training: Training = field(default_factory=SGDTraining)
    steps: int = 1000
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_part("training", self.training)
        if self.steps < 1:
            raise ConfigError(f"teacher.steps = {self.steps}, but a teacher is trained at least 1.")
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"teacher.temperature = {self.temperature}, but it must be above 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A training recipe; the network after the *last* step is tested, never the best one.

    Attributes:
        name: The name in every observation.
        training: Batch, first learning rate, augmentation.
        epochs: Passes over the set, at least 1. A larger set is then trained longer: with
            multi-formation, ``examples_each`` times longer than random images of the same size.
        steps: A fixed number of optimiser steps instead of epochs, or ``None``. It is the same for
            every set and size, so that the comparison is fair, but accuracies differ from those
            of the papers.
        milestones: Fractions of the length after which the learning rate falls.
        gamma: Factor of the learning rate at each milestone.
        extra: Epochs trained beyond ``epochs``; none if ``steps`` is given.
        late: Epochs by which every milestone comes later; none if ``steps`` is given.
        restart: Whether the optimiser is new after a milestone, so that momentum starts from zero.
        labels: ``"hard"``: the class of an image. ``"soft"``: the class probabilities that the
            set has learned; baselines that have none are trained on with their class.
        decay: ``"milestones"``, or ``"cosine"``: half a cosine from the first learning rate to 0
            over the whole length, without milestones.
        loss: ``"cross-entropy"``, or ``"squared-error"``: half the squared error of the logits to
            the labels minus ``1 / classes``.
        teacher: A network trained on the real training images; its class probabilities for the
            augmented batch are the labels of every batch. ``None``: ``labels`` decides.
        full_batches: Whether the images that remain at the end of an epoch are the start of the
            first batch of the next one. Otherwise the last batch is smaller: with 70 images and
            batches of 64, every second step has 6 images, and such sizes train badly.
        regression: Predicts the test labels from the set, and no network is trained. ``None``: a
            network is trained. A regression has no length, no augmentation and no seed.
    """

    name: str
    training: Training
    epochs: int = 1000
    steps: int | None = None
    milestones: tuple[Fraction, ...] = MILESTONES
    gamma: float = 0.2
    extra: int = 0
    late: int = 0
    restart: bool = False
    labels: str = "hard"
    regression: RidgeRegression | None = None
    decay: Literal["milestones", "cosine"] = "milestones"
    loss: str = "cross-entropy"
    teacher: Teacher | None = None
    full_batches: bool = False

    def __post_init__(self) -> None:
        check_part("training", self.training)
        check_loss(self.loss)
        if self.decay not in ("milestones", "cosine"):
            raise ConfigError(
                f"decay = {self.decay!r} is unknown; known are milestones, cosine."
                f"{nearest(self.decay, ('milestones', 'cosine'))}"
            )
        if self.labels not in LABELS:
            raise ConfigError(
                f"labels = {self.labels!r} is unknown; known are {', '.join(LABELS)}."
                f"{nearest(self.labels, LABELS)}"
            )
        if self.epochs < 1:
            raise ConfigError(f"epochs = {self.epochs}, but a network is trained at least 1 epoch.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps = {self.steps}, but a network is trained at least 1 step.")

    @property
    def length(self) -> tuple[int | None, int | None]:
        """Epochs and steps, as in an observation; at least one of them is ``None``."""
        if self.regression is not None:
            return None, None
        return (self.epochs, None) if self.steps is None else (None, self.steps)

    def total_steps(self, images: int) -> int:
        """Optimiser steps on a pool of ``images`` images."""
        if self.steps is not None:
            return self.steps
        return (self.epochs + self.extra) * self._epoch(images)

    def lr(self, step: int, *, images: int) -> float:
        """The learning rate of optimiser step ``step`` (from 0) on a pool of ``images`` images.

        Milestones change it between epochs, or between steps if ``steps`` is given.
        """
        if self.decay == "cosine":
            return self.training.lr * decayed("cosine", step, total=self.total_steps(images))
        return self.training.lr * self.gamma ** self._passed(step, images)

    def restarts(self, step: int, *, images: int) -> bool:
        """Whether optimiser step ``step`` (from 0) is the first of a new optimiser."""
        if not self.restart or step == 0:
            return False
        return self._passed(step, images) > self._passed(step - 1, images)

    def _passed(self, step: int, images: int) -> int:
        """Number of milestones before a step."""
        done, length, late = step, self.steps, 0
        if length is None:
            done, length, late = step // self._epoch(images), self.epochs, self.late
        return sum(math.floor(fraction * length) + late <= done for fraction in self.milestones)

    def _epoch(self, images: int) -> int:
        return math.ceil(images / self.training.batch)


_SOFT_NAMES = ("teacher", "frepo", "kip", "datm")


def has_soft_labels(protocol: str) -> bool:
    """Whether networks of a protocol with this name are trained on learned labels.

    Results know the name alone. ``protocol_for`` therefore adds ``-soft`` to every name of which
    this would not be true.
    """
    return protocol.endswith("-soft") or protocol in _SOFT_NAMES


SOFT_NOTE = (
    "Labels are learned ones where a set has them. Baselines have labels of the same experts if "
    "the set was relabelled, and otherwise their classes. Do not compare these accuracies with "
    "those of hard labels."
)
"""What a reader of results with learned labels must know."""


def hard_name(protocol: str) -> str:
    """The name of a protocol without the kind of its labels: ``dsa`` of ``dsa-soft``."""
    return protocol.removesuffix("-soft").removesuffix("-hard")
