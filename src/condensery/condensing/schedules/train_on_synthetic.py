"""A new network in every outer iteration, trained on the synthetic set between image updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from condensery.augment import Identity
from condensery.condensing.schedules.base import NetworkTraining, RunContext, Schedule
from condensery.condensing.schedules.learning import learn
from condensery.condensing.schedules.statistics import fix_statistics
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, Training
from condensery.types import StepContext


def _plain() -> SGDTraining:
    """The network update of DC: batches of 256, no momentum, weight decay or augmentation."""
    return SGDTraining(
        batch=256, lr=0.01, momentum=0.0, weight_decay=0.0, augment=Identity(), cutmix=0.0
    )


@register("schedule", "train-on-synthetic")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOnSynthetic(Schedule):
    """The schedule of DC and DSA: a new network, trained on the set between image updates.

    Attributes:
        inner: Image updates under each network, at least 1 (paper: about N).
        epochs: Network epochs on the current set between two image updates, at least 0.
        training: How the network is trained on the synthetic images.

    Source:
        Zhao, Mopuri, Bilen 2021 (DC), Algorithm 1, and Zhao & Bilen 2021 (DSA). As in the released
        loop, the network is not trained after the last image update. Differs: before every image
        update, batch norm is fixed to the mean and variance of 16 real images of each class
        (released: its running statistics move a tenth of the way to them).
    """

    reads_synthetic: ClassVar[bool] = True

    inner: int = 10
    epochs: int = 50
    training: Training = field(default_factory=_plain)

    def __post_init__(self) -> None:
        for name, least in (("inner", 1), ("epochs", 0)):
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
        an_epoch = -(-examples // self.training.batch)
        return NetworkTraining(
            training=self.training,
            steps=iterations * (self.inner - 1) * self.epochs * an_epoch,
            batch=min(self.training.batch, examples),
            precision=run.precision,
            compiled=run.compiled,
        )

    def untrained(self) -> TrainOnSynthetic:
        """See ``Schedule.untrained``."""
        return replace(self, epochs=0)

    def contexts(self, outer: int, run: RunContext) -> Iterator[StepContext]:
        """See ``Schedule.contexts``."""
        network = run.network("network", outer).to(run.device)
        trainer = Trainer(network, self.training, precision=run.precision, compiled=run.compiled)
        for inner in range(self.inner):
            if inner:
                examples = run.synthetic()
                steps = self.epochs * -(-len(examples) // self.training.batch)
                learn(trainer, examples, run, steps=steps, at=(outer, inner))
            fix_statistics(network, run, rng=stream(run.seed, "statistics", outer, inner))
            yield StepContext(at=(outer, inner), network=network, seed=run.seed)
