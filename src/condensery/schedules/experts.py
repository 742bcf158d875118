"""Starts and ends of experts' ways: networks that were trained on real data, and where they went.

Knows nothing about how a student is made to follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import torch

from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.experts import EXPERT_TRAINING, Order, Schooling, loaded, opened
from condensery.rng import stream
from condensery.schedules.base import World
from condensery.training import SGDTraining, check_precision
from condensery.types import Moment

__all__ = ["Experts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """MTT's schedule: one image update for every start drawn from the experts' trajectories.

    Attributes:
        trajectories: Experts to draw from, at least 1 (paper: 100).
        span: Epochs from a start to its target, at least 1 (paper: 2 or 3).
        latest: Starts are after 0 to ``latest - 1`` epochs, at least 1 (paper: 2 to 40).
        steps: Network steps of an epoch; 0 is a pass over the data (paper).
        training: Of the experts, on real images.
        precision: Of their training, ``"fp32"`` or ``"bf16"``, whatever that of the run: experts
            do not depend on who uses them.
        compiled: Whether their training is.
        seed: Of the experts, so that runs with other seeds share them.
        buffer: Folder that keeps the trajectories and may be shared; empty: whoever runs decides,
            the command line for the folder of its run, the library for the memory. Never changes
            the result.

    Source:
        Cazenavette et al. 2022 (MTT), the released loop. Differs: expert and start are drawn anew
        for every update, the release walks through shuffled files of experts.
    """

    reads_synthetic: ClassVar[bool] = False

    trajectories: int = 100
    span: int = 2
    latest: int = 20
    steps: int = 0
    training: SGDTraining = field(default_factory=lambda: EXPERT_TRAINING)
    precision: Literal["fp32", "bf16"] = "fp32"
    compiled: bool = False
    seed: int = 0
    buffer: str = ""

    def __post_init__(self) -> None:
        checked = (("trajectories", 1), ("span", 1), ("latest", 1), ("steps", 0), ("seed", 0))
        check_precision(self.precision)
        for name, least in checked:
            if getattr(self, name) < least:
                raise ConfigError(
                    f"schedule.{name} = {getattr(self, name)}, but it must be at least {least}."
                )

    @property
    def inner(self) -> int:
        """See ``Schedule.inner``."""
        return 1

    @property
    def epochs(self) -> int:
        """Epochs that every expert is trained: no target is later."""
        return self.latest - 1 + self.span

    def schooling(self, network: str) -> Schooling:
        """All that decides an expert of this architecture but the images."""
        return Schooling(
            network=network,
            training=self.training,
            steps=self.steps,
            seed=self.seed,
            precision=self.precision,
            compiled=self.compiled,
        )

    def network_steps(self, images: int) -> int:
        """Of all experts together, on so many real images."""
        an_epoch = self.steps or -(-images // self.training.batch)
        return self.trajectories * self.epochs * an_epoch

    def order(self, data: ImageData, *, network: str, device: str = "cpu") -> Order:
        """The experts that a run on ``data`` draws from.

        Args:
            data: Real images, as the networks are to see them.
            network: Name of the architecture.
            device: Where they are trained.

        Raises:
            ConfigError: If they are too large for the memory, and there is no folder.
        """
        folder = Path(self.buffer).expanduser() if self.buffer else None
        buffer = opened(self.schooling(network), data, folder)
        buffer.check_memory(self.trajectories, self.epochs)
        return Order(buffer=buffer, experts=self.trajectories, epochs=self.epochs, device=device)

    def moments(self, outer: int, world: World) -> Iterator[Moment]:
        """See ``Schedule.moments``; trains an expert when it is first drawn."""
        order = self.order(world.data, network=world.architecture, device=world.device)
        rng = stream(world.seed, "expert", outer)
        index = int(torch.randint(self.trajectories, (), generator=rng))
        start = int(torch.randint(self.latest, (), generator=rng))
        before, after = order.snapshots(index, start, start + self.span)
        network = loaded(world.network("network", outer), before).to(world.device)
        target = {name: p.to(world.device) for name, p in after.items()}
        yield Moment(at=(outer, 0), network=network, seed=world.seed, target=target)
