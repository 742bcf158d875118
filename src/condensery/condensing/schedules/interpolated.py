"""Networks on the line between an untrained network and what training on real data made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from condensery.condensing.schedules.base import RunContext
from condensery.condensing.schedules.experts import OnExperts
from condensery.condensing.schedules.statistics import fix_statistics
from condensery.errors import ConfigError
from condensery.experts import loaded
from condensery.registry import register
from condensery.rng import stream
from condensery.training import Decay, SGDTraining, Training
from condensery.types import StepContext

__all__ = ["Interpolated"]


@register("schedule", "interpolated")
@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolated(OnExperts):
    """DANCE's schedule: parameters ``share * untrained + (1 - share) * trained`` of one expert.

    Expert and share are drawn anew for every outer iteration. The trained end is the target of
    its contexts. ``OnExperts`` has the choices that are not named here.

    Attributes:
        trajectories: Experts to draw from (paper: 5); 0: every iteration has a fresh untrained
            network and no target, which is ``redraw`` without steps.
        epochs: Of an expert, at least 1 (paper: 60, ImageNet subsets 80).
        lowest: The least share of the untrained network, at least 0.
        highest: The largest, at most 1. The share is uniform between the two (paper: 0 and 1).
        inner: Image updates under one network, at least 1. DANCE's two in turn need 2
            (``Calibrated.alternate``).
        training: Of the experts; the default is the paper's for small images.

    Source:
        Zhang et al. 2024 (DANCE), the released loop. Differs: the networks of batch norm use the
        statistics of 16 real images a class (not supported there); momentum of the experts begins
        anew with every epoch.
    """

    trajectories: int = 5
    epochs: int = 60
    lowest: float = 0.0
    highest: float = 1.0
    inner: int = 1
    training: Training = field(default_factory=SGDTraining)
    decay: Decay = "milestones"
    keep: Literal["all", "ends"] = "ends"

    def __post_init__(self) -> None:
        self.check_numbers(trajectories=0, epochs=1, inner=1)
        if not 0 <= self.lowest <= self.highest <= 1:
            raise ConfigError(
                f"schedule.lowest = {self.lowest} and schedule.highest = {self.highest}, but they "
                "are shares of the untrained network: 0 <= lowest <= highest <= 1."
            )

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return self.inner

    @property
    def length(self) -> int:
        """See ``OnExperts.length``."""
        return self.epochs

    def untrained(self) -> Interpolated:
        """See ``Schedule.untrained``."""
        least = min(1, self.trajectories)
        return replace(self, trajectories=least, epochs=1, steps=1, buffer="")

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; trains an expert when it is first drawn."""
        network, target = run.network("network", outer), None
        if self.trajectories:
            experts, index = self.draw(run, stream(run.seed, "expert", outer))
            untrained, trained = experts.snapshots(index, 0, self.epochs)
            drawn = float(torch.rand((), generator=stream(run.seed, "interpolation", outer)))
            share = self.lowest + (self.highest - self.lowest) * drawn
            loaded(network, {n: p.lerp(trained[n], 1 - share) for n, p in untrained.items()})
            target = {name: p.to(run.device) for name, p in trained.items()}
        network = network.to(run.device)
        fix_statistics(network, run, rng=stream(run.seed, "statistics", outer))
        for inner in range(self.inner):
            yield StepContext(at=(outer, inner), network=network, seed=run.seed, target=target)
