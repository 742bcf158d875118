"""The time of training a network on a condensed set, and the largest size within a time limit.

Seconds depend on the machine, so they are not stored in files.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.choosing import SizeChoice
from condensery.devices import computing
from condensery.errors import ConfigError
from condensery.evaluation.evaluate import evaluated_set
from condensery.evaluation.protocols import Protocol, protocol_for
from condensery.evaluation.trial import Network
from condensery.formatting import duration
from condensery.networks import build
from condensery.rng import stream
from condensery.training import Clock, Trainer, time_steps, training_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTime:
    """The time of training one network on one size.

    Attributes:
        size: Images per class.
        steps: Optimiser steps, at least 1.
        seconds: Seconds of all steps, without loading and testing.
    """

    size: int
    steps: int
    seconds: float


class TrainingTimer:
    """Measures the time of trainings; every batch size is measured once.

    The time of a step depends on its batch. The mean time of a step is measured for each batch size
    that occurs (full batches, and the last batch of an epoch), in fp32 and uncompiled, with the
    augmentation of the protocol, and multiplied by the number of such steps.

    Args:
        condensed: The set.
        network: The network to train.
        protocol: A name, a protocol of your own, or ``None`` for that of the method of the set.
        epochs: Length of a training, instead of the length of the protocol.
        steps: The same number of steps for every size, instead of epochs.
        device: The device of the training.
        clock: A clock in seconds.

    Attributes:
        protocol: How networks are trained.
        timed: Number of steps that were timed until now.

    Raises:
        ConfigError: If the protocol trains no network, or a name or length cannot work.
    """

    def __init__(
        self,
        condensed: CondensedSet,
        *,
        network: Network = "convnet3",
        protocol: str | Protocol | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        device: str = "cpu",
        clock: Clock = time.perf_counter,
    ) -> None:
        evaluated = evaluated_set(condensed, data=condensed.manifest["data"]["name"])
        self.protocol = protocol_for(protocol, evaluated, epochs=epochs, steps=steps)
        if self.protocol.regression is not None:
            raise ConfigError(
                f"seconds: protocol {self.protocol.name!r} trains no network, so no size has a "
                "training time. Give the protocol that the network will be trained by, such as idc."
            )
        self._condensed, self._device, self._clock = condensed, device, clock
        self._decoded = condensed.decode()
        channels, height, width = condensed.shape
        self._network = build(
            network,
            channels=channels,
            classes=condensed.classes,
            side=(height, width),
            seed=0,
            path=("pace",),
        ).to(device)
        self._rates: dict[int, float] = {}
        self.timed = 0

    def of(self, size: int) -> TrainingTime:
        """The time of a training on size ``size``; measures batch sizes that are new."""
        count = int((self._decoded.rank < size).sum())
        steps = self.protocol.total_steps(count)
        full, rest = divmod(count, self.protocol.training.batch)
        seconds = 0.0
        epochs = steps / (full + (rest > 0))
        if full:
            seconds += epochs * full * self._seconds(self.protocol.training.batch)
        if rest:
            seconds += epochs * self._seconds(rest)
        return TrainingTime(size=size, steps=steps, seconds=seconds)

    def _seconds(self, length: int) -> float:
        """Mean seconds of a step on ``length`` images."""
        if length not in self._rates:
            images, labels = self._batch(length)
            trainer = Trainer(self._network, self.protocol.training)
            steps = training_steps(trainer, images, labels, rng=stream(0, "pace", length))
            with computing(self._device, "fp32"):
                found = time_steps(steps, untimed=2, least=3, least_seconds=1.0, clock=self._clock)
            self._rates[length] = found.each
            self.timed += found.count
        return self._rates[length]

    def _batch(self, length: int) -> tuple[Tensor, Tensor]:
        moments = (self._condensed.mean, self._condensed.std)
        mean, std = (torch.tensor(values)[:, None, None] for values in moments)
        images = (self._decoded.images[:length] - mean) / std
        return images.to(self._device), self._decoded.class_[:length].to(self._device)


def by_seconds(timer: TrainingTimer, budget: float, *, largest: int) -> SizeChoice:
    """The largest size on which a network can be trained in at most ``budget`` seconds.

    Args:
        timer: The timer of the set on this machine.
        budget: Seconds, above 0.
        largest: Images per class of the set; a bisection measures only few sizes.

    Raises:
        ConfigError: If size 1 takes longer; the message says how long.
    """
    if not budget > 0:
        raise ConfigError(f"seconds = {budget:g}, but a training takes time: give more than 0.")
    whole = timer.of(largest)
    if whole.seconds <= budget:
        return _choice(whole, None, timer, budget, largest)
    first = whole if largest == 1 else timer.of(1)
    if first.seconds > budget:
        raise ConfigError(
            f"seconds = {budget:g}, but on this machine even size 1 takes "
            f"{duration(first.seconds)}: {_how(first, timer)}. Give that long, or train "
            "shorter (epochs or steps) or a smaller network."
        )
    below, above = first, whole
    while above.size - below.size > 1:
        middle = timer.of((below.size + above.size) // 2)
        below, above = (middle, above) if middle.seconds <= budget else (below, middle)
    return _choice(below, above, timer, budget, largest)


def _choice(
    chosen: TrainingTime,
    above: TrainingTime | None,
    timer: TrainingTimer,
    budget: float,
    largest: int,
) -> SizeChoice:
    text = f"size {chosen.size} of {largest}: trains in about {duration(chosen.seconds)}"
    text += f" of {duration(budget)}, {_how(chosen, timer)}"
    if above is not None:
        text += f"; size {above.size} takes {duration(above.seconds)}"
    return SizeChoice(size=chosen.size, why=f"{text}\nmeasured: now, {timer.timed} steps timed")


def _how(training: TrainingTime, timer: TrainingTimer) -> str:
    each = duration(training.seconds / training.steps)
    return f"{training.steps:,} steps of {each} (protocol {timer.protocol.name})"
