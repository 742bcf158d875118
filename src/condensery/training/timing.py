"""How long work takes on this machine, from the time of a few steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.training.trainer import Trainer

Clock = Callable[[], float]
"""A clock in seconds, such as ``time.perf_counter``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of a step that is repeated.

    Attributes:
        first: Seconds of the first step, with its preparations (compiling, memory).
        each: Mean seconds of the timed steps.
        count: Number of timed steps.
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
    """Take steps and measure their time.

    Args:
        steps: Every ``next`` is a step.
        untimed: Steps before the timed ones, at least 1, which prepare later steps.
        least: Smallest number of timed steps.
        least_seconds: Smallest time of all timed steps together.
        enough: If one step takes so many seconds, no further step is taken.
        compiled: Whether the first step compiles. If not, and it took ``enough`` seconds, its time
            is used for all steps.
        clock: A clock in seconds.
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
    """Steps on one batch without end; each has finished on its device when it returns.

    Args:
        trainer: The trainer of the network.
        images: Normalised images, ``[example, channel, height, width]``.
        labels: ``[example]``.
        rng: Random stream of the augmentation.
    """
    while True:
        trainer.step(images, labels, rng=rng)
        next(trainer.network.parameters()).flatten()[0].item()  # waits for the device
        yield
