"""How long a network trains on a set on this machine: steps are taken and timed, not looked up.

Seconds belong to a machine, so no file holds them. Knows nothing about accuracy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.artifact import CondensedSet
from condensery.choosing import Choice
from condensery.errors import ConfigError
from condensery.evaluation.evaluate import subject_of
from condensery.evaluation.protocols import Protocol, protocol_for
from condensery.evaluation.trial import Network
from condensery.formatting import duration
from condensery.networks import build
from condensery.rng import stream
from condensery.training import Trainer

__all__ = ["Pace", "Training", "by_seconds"]

_WARM = 2
"""Steps that are not timed: the first ones allocate memory and choose kernels."""

_LEAST_STEPS, _LEAST_SECONDS = 3, 1.0
"""What is timed for every length of a batch: both, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training of one network on one size.

    Attributes:
        size: Images per class.
        steps: Optimiser steps, at least 1.
        seconds: What they take, without loading and testing.
    """

    size: int
    steps: int
    seconds: float


class Pace:
    """Measures trainings; what was measured once is kept.

    A step costs what its batch costs, so the mean time of a step is measured for each length of a
    batch that a size has (full ones, and the remainder of an epoch), in fp32 and uncompiled, with
    the protocol's augmentation, and multiplied by how many there are.

    Args:
        condensed: The set.
        network: To train.
        protocol: A name, a protocol of your own, or ``None``: that of the set's method.
        epochs: Length of a training, instead of the protocol's.
        steps: The same number of steps for every size, instead of epochs.
        device: Where to train.
        clock: Seconds.

    Attributes:
        protocol: How networks are trained.
        timed: Steps that were timed so far.

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
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        subject = subject_of(condensed, data=condensed.manifest["data"]["name"])
        self.protocol = protocol_for(protocol, subject, epochs=epochs, steps=steps)
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

    def of(self, size: int) -> Training:
        """The training on size ``size``; its batches are timed unless that was done."""
        count = int((self._decoded.rank < size).sum())
        steps = self.protocol.total_steps(count)
        full, rest = divmod(count, self.protocol.training.batch)
        seconds = 0.0
        epochs = steps / (full + (rest > 0))
        if full:
            seconds += epochs * full * self._seconds(self.protocol.training.batch)
        if rest:
            seconds += epochs * self._seconds(rest)
        return Training(size=size, steps=steps, seconds=seconds)

    def _seconds(self, length: int) -> float:
        """Mean seconds of a step on ``length`` images."""
        if length not in self._rates:
            images, labels = self._batch(length)
            trainer = Trainer(self._network, self.protocol.training)
            rng = stream(0, "pace", length)
            for _ in range(_WARM):
                trainer.step(images, labels, rng=rng)
            self._wait()
            begin, done = self._clock(), 0
            while done < _LEAST_STEPS or self._clock() - begin < _LEAST_SECONDS:
                trainer.step(images, labels, rng=rng)
                self._wait()
                done += 1
            self._rates[length] = (self._clock() - begin) / done
            self.timed += done
        return self._rates[length]

    def _batch(self, length: int) -> tuple[Tensor, Tensor]:
        moments = (self._condensed.mean, self._condensed.std)
        mean, std = (torch.tensor(values)[:, None, None] for values in moments)
        images = (self._decoded.images[:length] - mean) / std
        return images.to(self._device), self._decoded.class_[:length].to(self._device)

    def _wait(self) -> None:
        """Until a device that works on its own has done all that it was given."""
        next(self._network.parameters()).flatten()[0].item()


def by_seconds(pace: Pace, budget: float, *, largest: int) -> Choice:
    """The largest size that a network is trained on in at most ``budget`` seconds.

    Args:
        pace: Of the set, on this machine.
        budget: Seconds, above 0.
        largest: Images per class of the set; sizes are halved into, so few are measured.

    Raises:
        ConfigError: If size 1 takes longer; the message says how long.
    """
    if not budget > 0:
        raise ConfigError(f"seconds = {budget:g}, but a training takes time: give more than 0.")
    whole = pace.of(largest)
    if whole.seconds <= budget:
        return _choice(whole, None, pace, budget, largest)
    first = whole if largest == 1 else pace.of(1)
    if first.seconds > budget:
        raise ConfigError(
            f"seconds = {budget:g}, but on this machine even size 1 takes "
            f"{duration(first.seconds)}: {_how(first, pace)}. Give that long, or train "
            "shorter (epochs or steps) or a smaller network."
        )
    below, above = first, whole
    while above.size - below.size > 1:
        middle = pace.of((below.size + above.size) // 2)
        below, above = (middle, above) if middle.seconds <= budget else (below, middle)
    return _choice(below, above, pace, budget, largest)


def _choice(
    chosen: Training, above: Training | None, pace: Pace, budget: float, largest: int
) -> Choice:
    text = f"size {chosen.size} of {largest}: trains in about {duration(chosen.seconds)}"
    text += f" of {duration(budget)}, {_how(chosen, pace)}"
    if above is not None:
        text += f"; size {above.size} takes {duration(above.seconds)}"
    return Choice(size=chosen.size, why=f"{text}\nmeasured: now, {pace.timed} steps timed")


def _how(training: Training, pace: Pace) -> str:
    each = duration(training.seconds / training.steps)
    return f"{training.steps:,} steps of {each} (protocol {pace.protocol.name})"
