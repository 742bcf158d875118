"""A fresh network every outer iteration, trained on real data between image updates."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, partial
from typing import ClassVar

import torch
from torch import Tensor

from condensery.errors import ConfigError
from condensery.rng import stream
from condensery.schedules.base import World
from condensery.training import SGDTraining, Trainer, real_batches
from condensery.types import Moment

__all__ = ["Redraw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redraw:
    """IDC's and MDC's schedule.

    Attributes:
        inner: Image updates per fresh network, at least 1 (paper: 100).
        steps: Network steps on real data between two image updates; 0 keeps the network as it
            was drawn (paper: 2000 / 64, rounded up, on CIFAR; 500 / 64 elsewhere).
        pretrain: Network steps on real data before the first image update.
        training: Of the network, on real images.

    Source:
        IDC, released loop; MDC, Algorithm 1. Differs: the released loop also trains the network
        after the last image update, for nobody.
    """

    reads_synthetic: ClassVar[bool] = False

    inner: int = 100
    steps: int = 32
    pretrain: int = 0
    training: SGDTraining = field(default_factory=SGDTraining)

    def __post_init__(self) -> None:
        for name, least in (("inner", 1), ("steps", 0), ("pretrain", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"schedule.{name} = {getattr(self, name)}, but it must be at least {least}."
                )

    def moments(self, outer: int, world: World) -> Iterator[Moment]:
        """See ``Schedule.moments``; where it can be, the network is a copy of one that goes on."""
        network = world.network("network", outer).to(world.device)
        trainer = Trainer(
            network, self.training, precision=world.precision, compiled=world.compiled
        )
        ahead = self.steps > 0 and trainer.can_overlap(_an_image(world))
        shown = deepcopy(network) if ahead else network
        _train(trainer, world, self.pretrain, at=(outer, 0))
        for inner in range(self.inner):
            if ahead:
                shown.load_state_dict(network.state_dict())
            steps = self.steps if inner + 1 < self.inner else 0
            train = cache(partial(_train, trainer, world, steps, at=(outer, inner + 1)))  # once
            overlaps = ahead and steps > 0 and trainer.can_overlap(_an_image(world))
            yield Moment(
                at=(outer, inner),
                network=shown,
                seed=world.seed,
                background=train if overlaps else None,
            )
            train()


def _train(trainer: Trainer, world: World, steps: int, *, at: tuple[int, int]) -> None:
    rng = stream(world.seed, "train", *at)
    if steps:
        for batch in real_batches(world.data, trainer.choices, steps=steps, rng=rng):
            trainer.step(batch.images.to(world.device), batch.labels.to(world.device), rng=rng)


def _an_image(world: World) -> Tensor:
    return world.data.normalise(world.data.pixels(torch.zeros(1, dtype=torch.long)))
