"""Networks on the line between an untrained network and what training on real data made of it."""

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

__all__ = ["Interpolated"]


_LONG = 10_000
"""Image updates of a run that is worth experts as long as the paper's."""


class RecipeFacts(Protocol):
    """What the schedule may take from the recipe that it is put into."""

    @property
    def iterations(self) -> int:
        """Outer iterations."""
        ...

    @property
    def schedule(self) -> Schedule:
        """Of the recipe as it was."""
        ...


@register("schedule", "interpolated")
@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolated(OnExperts):
    """DANCE's schedule: parameters ``share * untrained + (1 - share) * trained`` of one expert.

    Expert and share are drawn anew for every network. The trained end is the target of its
    contexts. ``OnExperts`` has the choices that are not named here.

    Attributes:
        trajectories: Experts to draw from (paper: 5); 0: every iteration has a fresh untrained
            network and no target, which is ``redraw`` without steps.
        epochs: Of an expert, at least 1 (paper: 60, ImageNet subsets 80).
        lowest: The least share of the untrained network, at least 0.
        highest: The largest, at most 1. The share is uniform between the two (paper: 0 and 1).
        networks: Drawn in an outer iteration, at least 1.
        inner: Image updates under each with new real images and draws, at least 1. DANCE's two
            terms in turns need 2 (``Calibrated.alternate``).
        repeats: Image updates after these that cost no real image, at least 0: each repeats the
            network, the real images and the draws of a random earlier one of the outer iteration,
            of the last ``memory``.
        memory: At least 1.
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
    networks: int = 1
    inner: int = 1
    repeats: int = 0  # pyright: ignore[reportIncompatibleMethodOverride]
    memory: int = 64
    training: Training = field(default_factory=SGDTraining)
    decay: Decay = "milestones"
    keep: Literal["all", "ends"] = "ends"

    def __post_init__(self) -> None:
        self.check_numbers(trajectories=0, epochs=1, networks=1, inner=1, repeats=0, memory=1)
        if not 0 <= self.lowest <= self.highest <= 1:
            raise ConfigError(
                f"schedule.lowest = {self.lowest} and schedule.highest = {self.highest}, but they "
                "are shares of the untrained network: 0 <= lowest <= highest <= 1."
            )

    @classmethod
    def fitting(cls, run: RecipeFacts) -> dict[str, Any]:
        """What the schedule takes from a run that it is put into, in place of its defaults.

        Args:
            run: A recipe. A shorter one than the paper's gets four short experts, and as many
                networks in an outer iteration as it had image updates there.
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
        return self.networks * (self.inner + self.repeats)

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
        drawn: list[StepContext] = []
        at = 0
        for number in range(self.networks):
            network, target = self._network(run, outer, number)
            for _ in range(self.inner):
                drawn.append(
                    StepContext(at=(outer, at), network=network, seed=run.seed, target=target)
                )
                yield drawn[-1]
                at += 1
            for _ in range(self.repeats):
                last = drawn[-self.memory :]
                rng = stream(run.seed, "again", outer, at)
                earlier = last[int(torch.randint(len(last), (), generator=rng))]
                yield replace(earlier, at=(outer, at), again=earlier.at)
                at += 1

    def _network(
        self, run: RunContext, outer: int, number: int
    ) -> tuple[nn.Module, Mapping[str, Tensor] | None]:
        """A network of an outer iteration, and what its expert ended as."""
        path = (outer, number) if number else (outer,)
        network, target = run.network("network", *path), None
        if self.trajectories:
            experts, index = self.draw(run, stream(run.seed, "expert", *path))
            untrained, trained = experts.snapshots(index, 0, self.epochs)
            drawn = float(torch.rand((), generator=stream(run.seed, "interpolation", *path)))
            share = self.lowest + (self.highest - self.lowest) * drawn
            loaded(network, {n: p.lerp(trained[n], 1 - share) for n, p in untrained.items()})
            target = {name: p.to(run.device) for name, p in trained.items()}
        network = network.to(run.device)
        fix_statistics(network, run, rng=stream(run.seed, "statistics", *path))
        return network, target
