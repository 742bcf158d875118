"""A schedule without a network: a number of image updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from condensery.condensing.schedules.base import RunContext, Schedule
from condensery.errors import ConfigError
from condensery.networks import IdentityNetwork
from condensery.registry import register
from condensery.types import StepContext


@register("schedule", "no-network")
@dataclass(frozen=True, slots=True, kw_only=True)
class NoNetwork(Schedule):
    """The schedule of KIP: each update uses a new real batch, and a kernel instead of a network.

    Attributes:
        inner: Image updates in an outer iteration, at least 1. Images are clipped to [0, 1]
            between outer iterations.
    """

    needs_network: ClassVar[bool] = False

    inner: int = 10

    def __post_init__(self) -> None:
        if self.inner < 1:
            raise ConfigError(f"schedule.inner = {self.inner}, but it must be at least 1.")

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return self.inner

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``."""
        network = IdentityNetwork()
        for inner in range(self.inner):
            yield StepContext(at=(outer, inner), network=network, seed=run.seed)
