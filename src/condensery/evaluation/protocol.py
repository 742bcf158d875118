"""How a network is trained to test a set: step sizes, length, augmentation.

A protocol is the same for the condensed images and for the random real ones beside them. Knows
nothing about how the images came about, nor about networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from condensery.augment import PerExample
from condensery.errors import ConfigError, nearest
from condensery.training import SGDTraining

__all__ = ["PROTOCOLS", "Protocol", "Subject", "protocol_for"]

_LIKE_DIGITS = ("digits", "emnist", "kmnist", "mnist", "svhn", "usps")
"""Sets whose classes do not survive a mirror."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a protocol may depend on.

    Attributes:
        data: Name of the data set, for example ``"cifar10"``.
        factor: Crops per side of a stored image (multi-formation); 1 where images are stored whole.
        ipc: Largest size of the condensed set, in images per class.
    """

    data: str
    factor: int = 1
    ipc: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One training recipe; the network of the *last* step is tested, never the best one.

    Attributes:
        name: Goes into every observation.
        training: Batch, first step size, augmentation.
        epochs: Passes over the set, at least 1. A larger set is then trained longer: with
            multi-formation, ``factor**2`` times longer than random images of the same size.
        steps: A fixed number of optimiser steps instead, or ``None``: the same for every set
            and size, condensed and random alike. An honest short form: it favours nobody, but
            its accuracies are not those of the papers.
        milestones: Fractions of the length after which the step size shrinks.
        gamma: What it is multiplied with each time.
    """

    name: str
    training: SGDTraining
    epochs: int = 1000
    steps: int | None = None
    milestones: tuple[Fraction, ...] = (Fraction(2, 3), Fraction(5, 6))
    gamma: float = 0.2

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"epochs = {self.epochs}, but a network is trained at least 1 epoch.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps = {self.steps}, but a network is trained at least 1 step.")

    def total_steps(self, images: int) -> int:
        """Optimiser steps on a pool of ``images`` images."""
        return self.epochs * self._epoch(images) if self.steps is None else self.steps

    def lr(self, step: int, *, images: int) -> float:
        """The step size of optimiser step ``step`` (from 0) on a pool of ``images`` images.

        It shrinks between epochs, or between steps where ``steps`` is given.
        """
        done, length = step, self.steps
        if length is None:
            done, length = step // self._epoch(images), self.epochs
        passed = sum(math.floor(fraction * length) <= done for fraction in self.milestones)
        return self.training.lr * self.gamma**passed

    def _epoch(self, images: int) -> int:
        return math.ceil(images / self.training.batch)


def _idc(subject: Subject) -> Protocol:
    """The evaluation of IDC, DREAM and MDC for images of 28 to 32 pixels.

    SGD of batch 64 for 1000 epochs, step size 0.01, times 0.2 after 2/3 and 5/6 of them;
    colour, flip and one of crop, scale, rotate per image, and CutMix on half of the batches.
    Hard labels, whatever labels the set has learned.

    Source:
        Kim et al. 2022 (IDC) and He et al. 2024 (MDC), as their released code evaluates:
        no flip of digits; MNIST with a factor above 1 without CutMix; SVHN at factor 1 and one
        image per class with cutout in place of CutMix. Differs: the last epoch is reported, the
        release logs the best of four tests; digits other than MNIST and SVHN are not flipped.
    """
    name = subject.data.lower()
    flip = "" if name in _LIKE_DIGITS else "flip_"
    cutout, cutmix = "", 0.5
    if name == "mnist" and subject.factor > 1:
        cutmix = 0.0
    if name == "svhn" and subject.factor == 1 and subject.ipc == 1:
        cutout, cutmix = "cutout_", 0.0
    augment = PerExample(strategy=f"color_crop_{cutout}{flip}scale_rotate")
    return Protocol(name="idc", training=SGDTraining(augment=augment, cutmix=cutmix))


PROTOCOLS: dict[str, Callable[[Subject], Protocol]] = {"idc": _idc}
"""Every protocol that has a name."""


def protocol_for(
    protocol: str | Protocol,
    subject: Subject,
    *,
    epochs: int | None = None,
    steps: int | None = None,
) -> Protocol:
    """A protocol resolved for one condensed set, at full length or at another.

    Args:
        protocol: A name in ``PROTOCOLS``, or a protocol of your own.
        subject: What is tested.
        epochs: Instead of the protocol's own number.
        steps: A fixed number of optimiser steps instead of epochs (see ``Protocol``).

    Raises:
        ConfigError: If the name is unknown, or both ``epochs`` and ``steps`` are given.
    """
    if epochs is not None and steps is not None:
        raise ConfigError(
            f"epochs = {epochs} and steps = {steps} are two lengths for one training. Give epochs "
            "(the papers' way) or steps (the same for every set and size), not both."
        )
    if isinstance(protocol, str):
        if protocol not in PROTOCOLS:
            raise ConfigError(
                f"protocol {protocol!r} is not known.{nearest(protocol, PROTOCOLS)} Known are "
                f"{', '.join(PROTOCOLS)} (idc is that of IDC, DREAM and MDC)."
            )
        protocol = PROTOCOLS[protocol](subject)
    if epochs is not None:
        return replace(protocol, epochs=epochs, steps=None)
    return protocol if steps is None else replace(protocol, steps=steps)
