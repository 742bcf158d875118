"""How long work takes on this machine: a few steps are taken and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.training.trainer import Trainer

__all__ = ["Clock", "StepTime", "time_steps", "training_steps"]

Clock = Callable[[], float]
"""The seconds since some moment, such as ``time.perf_counter``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of a step that is taken again and again.

    Attributes:
        first: The first step, with all that it prepares for the others (compiling, memory).
        each: The mean of the timed steps.
        count: How many steps ``each`` is the mean of.
    """

    first: float
    each: float
    count: int


def time_steps(
    steps: Iterator[object],
    *,
    untimed: int = 1,
    least: int = 2,
    least_seconds: float = 0.0,
    enough: float = float("inf"),
    compiled: bool = True,
    clock: Clock = time.perf_counter,
) -> StepTime:
    """Take steps and time them.

    Args:
        steps: Every ``next`` is a step.
        untimed: Steps before the timed ones, at least 1: they prepare what later steps need.
        least: Timed steps, at least.
        least_seconds: Go on until the timed steps took this long together.
        enough: Seconds of one step after which no further step is taken.
        compiled: Whether the first step compiles. If it does not, a first step that took
            ``enough`` stands for all steps.
        clock: Seconds.
    """

    def one() -> float:
        before = clock()
        next(steps)
        return clock() - before

    first = one()
    if first > enough and not compiled:
        return StepTime(first=first, each=first, count=1)
    for _ in range(untimed - 1):
        next(steps)
    total, count = 0.0, 0
    while count < least or total < least_seconds:
        took = one()
        total, count = total + took, count + 1
        if took > enough:
            break
    return StepTime(first=first, each=total / count, count=count)


def training_steps(
    trainer: Trainer, images: Tensor, labels: Tensor, *, rng: torch.Generator
) -> Generator[None]:
    """Steps on one batch, without end; each is finished when it returns, on any device.

    Args:
        trainer: Of the network.
        images: Normalised, ``[example, channel, height, width]``.
        labels: ``[example]``.
        rng: For augmentation.
    """
    while True:
        trainer.step(images, labels, rng=rng)
        next(trainer.network.parameters()).flatten()[0].item()  # waits for the device
        yield
