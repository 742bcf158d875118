"""Starts and ends of experts' ways: networks that were trained on real data, and where they went.

Knows nothing about how a student is made to follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from condensery.condensing.schedules.base import NetworkTraining, RunContext, Schedule
from condensery.data import ImageData
from condensery.engines import can_train, native_bf16, pays_to_compile
from condensery.errors import ConfigError
from condensery.experts import EXPERT_TRAINING, ExpertSet, ExpertTraining, get_buffer, loaded
from condensery.parallel import workers
from condensery.registry import register
from condensery.rng import stream
from condensery.training import FUSED_AFTER, Training, check_precision
from condensery.types import StepContext

__all__ = ["Experts"]


@register("schedule", "experts")
@dataclass(frozen=True, slots=True, kw_only=True)
class Experts(Schedule):
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

    trajectories: int = 100
    span: int = 2
    latest: int = 20
    steps: int = 0
    training: Training = field(default_factory=lambda: EXPERT_TRAINING)
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
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return 1

    @property
    def epochs(self) -> int:
        """Epochs that every expert is trained: no target is later."""
        return self.latest - 1 + self.span

    def expert_training(self, network: str) -> ExpertTraining:
        """All that decides an expert of this architecture but the images."""
        return ExpertTraining(
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

    def experts(self, data: ImageData, *, network: str, device: str = "cpu") -> ExpertSet:
        """The experts that a run on ``data`` draws from.

        Args:
            data: Real images, as the networks are to see them.
            network: Name of the architecture.
            device: Where they are trained.

        Raises:
            ConfigError: If they are too large for the memory, and there is no folder.
        """
        folder = Path(self.buffer).expanduser() if self.buffer else None
        buffer = get_buffer(self.expert_training(network), data, folder)
        buffer.check_memory(self.trajectories, self.epochs)
        return ExpertSet(
            buffer=buffer, experts=self.trajectories, epochs=self.epochs, device=device
        )

    def with_buffer(self, folder: Path, *, instead: bool = False) -> Experts:
        """See ``Schedule.with_buffer``."""
        return self if self.buffer and not instead else replace(self, buffer=str(folder))

    def check(self, data: ImageData, *, network: str, device: str = "cpu") -> None:
        """See ``Schedule.check``."""
        if self.buffer:
            self.experts(data, network=network, device=device).check()

    @property
    def compiles(self) -> bool:
        """See ``Schedule.compiles``.

        Experts in a folder that was named may be there already, as compiled code trained them.
        """
        return self.compiled and not self.buffer

    def uncompiled(self, *, keep_precision: bool) -> Experts:
        """See ``Schedule.uncompiled``."""
        if not self.compiles:
            return self
        precision = self.precision if keep_precision else "fp32"
        return replace(self, compiled=False, precision=precision)

    def suited(
        self, network: Callable[[], nn.Module], data: ImageData, *, device: str
    ) -> dict[str, object]:
        """See ``Schedule.suited``: long training is compiled, in bfloat16 where that is native."""
        steps = self.network_steps(len(data))
        swept = False
        if torch.device(device).type == "cpu" and steps >= FUSED_AFTER:
            own = network()
            swept = can_train(own) and pays_to_compile(own, side=data.side, updates=steps)
        return {
            "compiled": swept,
            "precision": "bf16" if swept and native_bf16(device) else "fp32",
        }

    def network_training(
        self, run: RunContext, *, iterations: int, examples: int
    ) -> NetworkTraining:
        """See ``Schedule.network_training``."""
        del iterations, examples
        swept = self.expert_training(run.architecture).swept(run.data, device=run.device)
        return NetworkTraining(
            training=self.training,
            steps=self.network_steps(len(run.data)),
            batch=self.training.batch,
            precision=self.precision,
            compiled=self.compiled,
            at_once=min(workers(), self.trajectories) if swept else None,
        )

    def untrained(self) -> Experts:
        """See ``Schedule.untrained``."""
        return replace(self, trajectories=1, latest=1, span=1, steps=1, buffer="")

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; trains an expert when it is first drawn."""
        order = self.experts(run.data, network=run.architecture, device=run.device)
        rng = stream(run.seed, "expert", outer)
        index = int(torch.randint(self.trajectories, (), generator=rng))
        start = int(torch.randint(self.latest, (), generator=rng))
        before, after = order.snapshots(index, start, start + self.span)
        network = loaded(run.network("network", outer), before).to(run.device)
        target = {name: p.to(run.device) for name, p in after.items()}
        yield StepContext(at=(outer, 0), network=network, seed=run.seed, target=target)
