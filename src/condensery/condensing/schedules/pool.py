"""A pool of networks that are trained on the synthetic set and replaced after a number of steps.

Consecutive image updates use networks with different weights and different numbers of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from condensery.augment import Identity
from condensery.condensing.schedules.base import RunContext, Schedule
from condensery.condensing.schedules.learning import learn
from condensery.condensing.schedules.statistics import fix_statistics
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, Training
from condensery.types import StepContext


def _plain() -> SGDTraining:
    """Batches of 1000 images, no weight decay, no augmentation."""
    return SGDTraining(
        batch=1000, lr=0.01, momentum=0.9, weight_decay=0.0, augment=Identity(), cutmix=0.0
    )


@register("schedule", "pool")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Schedule):
    """The schedule of FRePo: an image update under a random network of the pool, which then steps.

    The network takes its step on the updated set. After ``oldest`` steps, a new network replaces
    it. The first network at place ``i`` of ``networks`` starts with ``oldest i / networks`` steps
    counted as done, so that the places are not renewed at the same time. Every outer iteration
    starts with a new pool, so that a run can resume from its images.

    Attributes:
        networks: Networks in the pool, at least 1 (paper: 10).
        oldest: Steps of a network before it is replaced, at least 0; with 0 every update has a new
            network (paper: 100).
        inner: Image updates in an outer iteration, at least 1. After about ``networks * oldest``
            updates, the networks of the pool have all numbers of steps.
        training: How networks are trained on the synthetic images; a step is one batch.

    Source:
        Zhou, Nezhadarya, Ba 2022 (FRePo), the released loop. Differs: networks are trained by SGD
        on the cross-entropy (published: Adam on the squared error); every outer iteration has a new
        pool (published: one pool); batch norm uses the statistics of 16 real images of each class
        (published: of the synthetic set).
    """

    reads_synthetic: ClassVar[bool] = True

    networks: int = 10
    oldest: int = 100
    inner: int = 1000
    training: Training = field(default_factory=_plain)

    def __post_init__(self) -> None:
        for name, least in (("networks", 1), ("oldest", 0), ("inner", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"schedule.{name} = {getattr(self, name)}, but it must be at least {least}."
                )

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return self.inner

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; a network is made when it is first drawn."""
        trainers: dict[int, Trainer] = {}
        ages = [self.oldest * place // self.networks for place in range(self.networks)]
        for inner in range(self.inner):
            at = (outer, inner)
            drawn = torch.randint(self.networks, (), generator=stream(run.seed, "pool", *at))
            place = int(drawn)
            if place not in trainers:
                trainers[place] = self._born(run, at=at)
            network = trainers[place].network
            fix_statistics(network, run, rng=stream(run.seed, "statistics", *at))
            yield StepContext(at=at, network=network, seed=run.seed)
            if ages[place] >= self.oldest:
                del trainers[place]
                ages[place] = 0
            elif inner + 1 < self.inner:  # after the last update nobody would see it
                learn(trainers[place], run.synthetic(), run, steps=1, at=at)
                ages[place] += 1

    def _born(self, run: RunContext, *, at: tuple[int, int]) -> Trainer:
        return Trainer(
            run.network("network", *at).to(run.device),
            self.training,
            precision=run.precision,
            compiled=run.compiled,
        )
