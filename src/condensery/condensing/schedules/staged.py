"""Networks at random stages of a training on real data, with a slightly later stage as target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch

from condensery.condensing.schedules.base import RunContext
from condensery.condensing.schedules.experts import OnExperts
from condensery.condensing.schedules.statistics import fix_statistics
from condensery.experts import loaded
from condensery.registry import register
from condensery.rng import stream
from condensery.training import Decay, SGDTraining, Training
from condensery.types import StepContext


@register("schedule", "staged")
@dataclass(frozen=True, slots=True, kw_only=True)
class Staged(OnExperts):
    """The schedule of TGDD: one image update under a random snapshot of a random expert.

    The snapshot is uniform among those after 0 to ``epochs`` epochs. The target is uniform among
    this snapshot and the ``window - 1`` next ones. ``OnExperts`` documents the other choices.

    Attributes:
        trajectories: Number of experts to draw from, at least 1 (paper: 5).
        epochs: Epochs of an expert, at least 0 (paper: 60, ImageNet subsets 80).
        window: Number of snapshots from which the target is drawn, at least 1 (paper: 7).
        training: How experts are trained; the default is that of the paper for small images.

    Source:
        Ran et al. 2026 (TGDD), the released loop. Differs: as ``Interpolated``.
    """

    trajectories: int = 5
    epochs: int = 60
    window: int = 7
    training: Training = field(default_factory=SGDTraining)
    decay: Decay = "milestones"

    def __post_init__(self) -> None:
        self.check_numbers(trajectories=1, epochs=0, window=1)
        self.check_all_kept()

    @property
    def updates(self) -> int:
        """See ``Schedule.updates``."""
        return 1

    @property
    def length(self) -> int:
        """See ``OnExperts.length``."""
        return self.epochs

    def untrained(self) -> Staged:
        """See ``Schedule.untrained``."""
        return replace(self, trajectories=1, epochs=1, steps=1, buffer="")

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``; trains an expert when it is first drawn."""
        rng = stream(run.seed, "expert", outer)
        experts, index = self.draw(run, rng)
        stage = int(torch.randint(self.epochs + 1, (), generator=rng))
        max_start_epoch = min(stage + self.window - 1, self.epochs)
        later = int(torch.randint(stage, max_start_epoch + 1, (), generator=rng))
        before, after = experts.snapshots(index, stage, later)
        network = loaded(run.network("network", outer), before).to(run.device)
        fix_statistics(network, run, rng=stream(run.seed, "statistics", outer))
        yield StepContext(at=(outer, 0), network=network, seed=run.seed, target=after)
