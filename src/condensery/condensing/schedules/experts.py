"""Networks from the trajectories of experts, which are trained on real data before the run.

``OnExperts`` says which experts are used and how they are trained. ``Experts`` gives the start and
the end of a part of a trajectory. Knows nothing about losses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

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
from condensery.training import FUSED_AFTER, Decay, Training, check_precision
from condensery.types import StepContext

_Own = TypeVar("_Own", bound="OnExperts")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnExperts(Schedule):
    """The base of all schedules with experts; a schedule adds ``length`` and ``contexts``.

    Attributes:
        trajectories: Number of experts to draw from.
        steps: Network steps in an epoch; 0 is one pass over the data.
        training: How experts are trained on real images.
        decay: How their learning rate falls: ``"constant"``, ``"milestones"`` (to a fifth after 2/3
            and after 5/6 of the steps) or ``"cosine"`` (to 0).
        keep: Which parameters of an expert are stored: ``"all"``: after every epoch; ``"ends"``:
            only before the first and after the last epoch.
        precision: The precision of their training, ``"fp32"`` or ``"bf16"``; it does not depend on
            the run, because several runs can use the same experts.
        compiled: Whether their training is compiled.
        seed: The seed of the experts, so that runs with different seeds share them.
        buffer: The folder of the trajectories, which runs may share; empty: the cache. Never
            changes the result.
    """

    trajectories: int = 100
    steps: int = 0
    training: Training = field(default_factory=lambda: EXPERT_TRAINING)
    decay: Decay = "constant"
    keep: Literal["all", "ends"] = "all"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    compiled: bool = False
    seed: int = 0
    buffer: str = ""

    @property
    @abstractmethod
    def length(self) -> int:
        """Epochs that every expert is trained."""
        ...

    def check_numbers(self, **least: int) -> None:
        """Refuse choices below these minimums, and unknown words.

        Raises:
            ConfigError: Names the choice.
        """
        check_precision(self.precision)
        for name, lowest in {"steps": 0, "seed": 0, **least}.items():
            if getattr(self, name) < lowest:
                raise ConfigError(
                    f"schedule.{name} = {getattr(self, name)}, but it must be at least {lowest}."
                )
        self.expert_training("any")

    def check_all_kept(self) -> None:
        """Refuse ``keep = "ends"``.

        Raises:
            ConfigError: If the parameters between the ends are not stored.
        """
        if self.keep != "all":
            raise ConfigError(
                f"schedule.keep = {self.keep!r}, but this schedule draws points of the way between "
                "the ends. Use keep = 'all', or schedule = interpolated."
            )

    def expert_training(self, network: str) -> ExpertTraining | None:
        """See ``Schedule.expert_training``."""
        if not self.trajectories:
            return None
        training = ExpertTraining(
            network=network,
            training=self.training,
            steps=self.steps,
            seed=self.seed,
            precision=self.precision,
            compiled=self.compiled,
            decay=self.decay,
            keep=self.keep,
        )
        return replace(training, epochs=self.length) if training.whole else training

    def network_steps(self, images: int) -> int:
        """Network steps of all experts together, for a number of real images."""
        an_epoch = self.steps or -(-images // self.training.batch)
        return self.trajectories * self.length * an_epoch

    def experts(self, data: ImageData, *, network: str, device: str = "cpu") -> ExpertSet | None:
        """See ``Schedule.experts``.

        Raises:
            ConfigError: If the experts are too large for the memory, and there is no folder.
        """
        training = self.expert_training(network)
        if training is None:
            return None
        folder = Path(self.buffer).expanduser() if self.buffer else None
        buffer = get_buffer(training, data, folder)
        buffer.check_memory(self.trajectories, self.length)
        return ExpertSet(
            buffer=buffer, experts=self.trajectories, epochs=self.length, device=device
        )

    def with_buffer(self: _Own, folder: Path, *, instead: bool = False) -> _Own:
        """See ``Schedule.with_buffer``."""
        return self if self.buffer and not instead else replace(self, buffer=str(folder))

    def check(self, data: ImageData, *, network: str, device: str = "cpu") -> None:
        """See ``Schedule.check``."""
        experts = self.experts(data, network=network, device=device) if self.buffer else None
        if experts is not None:
            experts.check()

    @property
    def compiles(self) -> bool:
        """See ``Schedule.compiles``.

        Experts in a folder that was named may be there already, as compiled code trained them.
        """
        return self.compiled and not self.buffer

    def uncompiled(self: _Own, *, keep_precision: bool) -> _Own:
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
    ) -> NetworkTraining | None:
        """See ``Schedule.network_training``."""
        del iterations, examples
        training = self.expert_training(run.architecture)
        if training is None:
            return None
        swept = training.swept(run.data, device=run.device)
        return NetworkTraining(
            training=self.training,
            steps=self.network_steps(len(run.data)),
            batch=self.training.batch,
            precision=self.precision,
            compiled=self.compiled,
            concurrent=min(workers(), self.trajectories) if swept else None,
        )

    def draw(self, run: RunContext, rng: torch.Generator) -> tuple[ExpertSet, int]:
        """The experts, and the index of the expert that an iteration draws."""
        experts = self.experts(run.data, network=run.architecture, device=run.device)
        assert experts is not None
        return experts, int(torch.randint(self.trajectories, (), generator=rng))


@register("schedule", "experts")
@dataclass(frozen=True, slots=True, kw_only=True)
class Experts(OnExperts):
    """The schedule of MTT: one image update for each start drawn from the experts' trajectories.

    ``OnExperts`` documents the other choices.

    Attributes:
        span: Epochs from a start to its target, at least 1 (paper: 2 or 3).
        max_start_epoch: A start is drawn from the epochs 0 to ``max_start_epoch - 1``, at least 1
            (paper: 2 to 40).

    Source:
        Cazenavette et al. 2022 (MTT), the released loop. Differs: every update draws an expert and
        a start (released: it goes through shuffled files of experts).
    """

    span: int = 2
    max_start_epoch: int = 20

    def __post_init__(self) -> None:
        self.check_numbers(trajectories=1, span=1, max_start_epoch=1)
        self.check_all_kept()

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return 1

    @property
    def length(self) -> int:
        """See ``OnExperts.length``: no target is later."""
        return self.max_start_epoch - 1 + self.span

    def untrained(self) -> Experts:
        """See ``Schedule.untrained``."""
        return replace(self, trajectories=1, max_start_epoch=1, span=1, steps=1, buffer="")

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; trains an expert when it is first drawn."""
        rng = stream(run.seed, "expert", outer)
        experts, index = self.draw(run, rng)
        start = int(torch.randint(self.max_start_epoch, (), generator=rng))
        before, after = experts.snapshots(index, start, start + self.span)
        network = loaded(run.network("network", outer), before).to(run.device)
        yield StepContext(at=(outer, 0), network=network, seed=run.seed, target=after)
