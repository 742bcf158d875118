"""Networks on the line between an untrained network and the same network after training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from condensery.condensing.schedules.base import RunContext, Schedule
from condensery.condensing.schedules.experts import OnExperts
from condensery.condensing.schedules.statistics import fix_statistics
from condensery.errors import ConfigError
from condensery.experts import loaded
from condensery.registry import register
from condensery.rng import stream
from condensery.training import Decay, SGDTraining, Training
from condensery.types import StepContext

_LONG = 10_000
"""From so many image updates on, a run uses experts as long as those of the paper."""


class RecipeFacts(Protocol):
    """The fields of a recipe that ``Interpolated.fitting`` reads."""

    @property
    def iterations(self) -> int:
        """Outer iterations."""
        ...

    @property
    def schedule(self) -> Schedule:
        """The schedule of the recipe before the change."""
        ...


@register("schedule", "interpolated")
@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolated(OnExperts):
    """The schedule of DANCE: ``share * untrained + (1 - share) * trained`` parameters of an expert.

    Every network has a new random expert and share. The trained parameters are the target of its
    contexts. ``OnExperts`` documents the other choices.

    Attributes:
        trajectories: Number of experts to draw from (paper: 5); 0: every iteration has a new
            untrained network and no target, which is ``redraw`` without steps.
        epochs: Epochs of an expert, at least 1 (paper: 60, ImageNet subsets 80).
        lowest: The smallest share of the untrained network, at least 0.
        highest: The largest share, at most 1. The share is uniform between both (paper: 0 and 1).
        networks: Networks in an outer iteration, at least 1.
        inner: Image updates with new real images and draws under each network, at least 1. The two
            alternating terms of DANCE need 2 (``Calibrated.alternate``).
        fixed: Networks of the whole run, each with its expert and share, which come again in random
            order, so that what is computed for a network can be kept (``KeptMeans``); 0: every
            network is new.
        training: How experts are trained; the default is that of the paper for small images.

    Source:
        Zhang et al. 2024 (DANCE), the released loop. Differs: batch norm uses the statistics of 16
        real images of each class (released: no batch norm); the momentum of the experts starts
        from zero in every epoch.
    """

    trajectories: int = 5
    epochs: int = 60
    lowest: float = 0.0
    highest: float = 1.0
    networks: int = 1
    inner: int = 1
    fixed: int = 0
    training: Training = field(default_factory=SGDTraining)
    decay: Decay = "milestones"
    keep: Literal["all", "ends"] = "ends"

    def __post_init__(self) -> None:
        self.check_numbers(trajectories=0, epochs=1, networks=1, inner=1, fixed=0)
        if not 0 <= self.lowest <= self.highest <= 1:
            raise ConfigError(
                f"schedule.lowest = {self.lowest} and schedule.highest = {self.highest}, but they "
                "are shares of the untrained network: 0 <= lowest <= highest <= 1."
            )

    @classmethod
    def fitting(cls, run: RecipeFacts) -> dict[str, Any]:
        """The choices for a recipe, in place of the defaults.

        Args:
            run: A recipe. If it is shorter than that of the paper, it gets four short experts, and
                as many networks in an outer iteration as it had image updates.
        """
        own = {"networks": run.schedule.updates}
        updates = run.iterations * run.schedule.updates
        if updates >= _LONG:
            return own
        steps = min(2000, max(1, 3 * updates // 8))
        return {**own, "trajectories": 4, "epochs": 1, "steps": steps}

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return self.networks * self.inner

    @property
    def fixed_networks(self) -> int:
        """See ``Schedule.fixed_networks``."""
        return self.fixed

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
        for number in range(self.networks):
            path: tuple[str | int, ...] = (outer, number) if number else (outer,)
            place: int | None = None
            if self.fixed:
                place = int(
                    torch.randint(self.fixed, (), generator=stream(run.seed, "fixed", *path))
                )
                path = ("fixed", place)
            network, target = self._network(run, path)
            for inner in range(number * self.inner, (number + 1) * self.inner):
                yield StepContext(
                    at=(outer, inner), network=network, seed=run.seed, target=target, place=place
                )

    def _network(
        self, run: RunContext, path: tuple[str | int, ...]
    ) -> tuple[nn.Module, Mapping[str, Tensor] | None]:
        """A network of an outer iteration, and the final parameters of its expert."""
        network, target = run.network("network", *path), None
        if self.trajectories:
            experts, index = self.draw(run, stream(run.seed, "expert", *path))
            untrained, target = experts.snapshots(index, 0, self.epochs)
            drawn = float(torch.rand((), generator=stream(run.seed, "interpolation", *path)))
            share = self.lowest + (self.highest - self.lowest) * drawn
            loaded(network, {n: p.lerp(target[n], 1 - share) for n, p in untrained.items()})
        network = network.to(run.device)
        fix_statistics(network, run, rng=stream(run.seed, "statistics", *path))
        return network, target
