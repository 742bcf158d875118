"""A new network in every outer iteration, trained on real data between image updates."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache, partial

import torch
from torch import Tensor

from condensery.condensing.schedules.base import NetworkTraining, RunContext, Schedule
from condensery.errors import ConfigError
from condensery.placed import sent
from condensery.registry import register
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, Training, real_batches
from condensery.types import StepContext


@register("schedule", "redraw")
@dataclass(frozen=True, slots=True, kw_only=True)
class Redraw(Schedule):
    """The schedule of IDC and MDC: a new network, trained on real data between image updates.

    Attributes:
        inner: Image updates under each network, at least 1 (paper: 100).
        steps: Network steps on real data between two image updates; with 0 the network is not
            trained (paper: 2000 / 64, rounded up, on CIFAR; 500 / 64 elsewhere).
        pretrain: Network steps on real data before the first image update.
        training: How the network is trained on real images.

    Source:
        IDC, released loop; MDC, Algorithm 1. Differs: no training after the last image update,
        which the released loop does without effect.
    """

    inner: int = 100
    steps: int = 32
    pretrain: int = 0
    training: Training = field(default_factory=SGDTraining)

    def __post_init__(self) -> None:
        for name, least in (("inner", 1), ("steps", 0), ("pretrain", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"schedule.{name} = {getattr(self, name)}, but it must be at least {least}."
                )

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return self.inner

    def network_training(
        self, run: RunContext, *, iterations: int, examples: int
    ) -> NetworkTraining:
        """See ``Schedule.network_training``."""
        del examples
        return NetworkTraining(
            training=self.training,
            steps=iterations * (self.pretrain + (self.inner - 1) * self.steps),
            batch=self.training.batch,
            precision=run.precision,
            compiled=run.compiled,
        )

    def untrained(self) -> Redraw:
        """See ``Schedule.untrained``."""
        return replace(self, pretrain=0, steps=0)

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; where it can be, the network is a copy of one that goes on."""
        network = run.network("network", outer).to(run.device)
        trainer = Trainer(network, self.training, precision=run.precision, compiled=run.compiled)
        ahead = self.steps > 0 and trainer.can_overlap(_an_image(run))
        shown = deepcopy(network) if ahead else network
        _train(trainer, run, self.pretrain, at=(outer, 0))
        for inner in range(self.inner):
            if ahead:
                shown.load_state_dict(network.state_dict())
            steps = self.steps if inner + 1 < self.inner else 0
            train = cache(partial(_train, trainer, run, steps, at=(outer, inner + 1)))  # once
            overlaps = ahead and steps > 0 and trainer.can_overlap(_an_image(run))
            yield StepContext(
                at=(outer, inner),
                network=shown,
                seed=run.seed,
                background=train if overlaps else None,
            )
            train()


def _train(trainer: Trainer, run: RunContext, steps: int, *, at: tuple[int, int]) -> None:
    rng = stream(run.seed, "train", *at)
    if steps:
        for batch in real_batches(run.data, trainer.choices, steps=steps, rng=rng):
            labels = sent(run.device, batch.labels)
            trainer.step(batch.images.to(run.device), labels, rng=rng)


def _an_image(run: RunContext) -> Tensor:
    return run.data.normalise(run.data.pixels(torch.zeros(1, dtype=torch.long)))
