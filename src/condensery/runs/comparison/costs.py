"""The time of a comparison, estimated by a short probe on this machine.

Every batch of runs takes a few image updates: with all its sets if that is fast, otherwise with as
many as are fast, and the time of the others is proportional to their examples. Matching and the
training of networks are measured separately, each with few steps. The estimate is rough: other work
on the machine, and later compiling, change it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from condensery.condensing.loop import networks_of, run_together
from condensery.condensing.recipe import Recipe
from condensery.condensing.schedules import NetworkTraining, RunContext
from condensery.data import Data, ImageData
from condensery.engines import can_train
from condensery.engines.toolchain import cannot_compile
from condensery.evaluation.protocol import Protocol
from condensery.evaluation.trial import fresh
from condensery.parallel import as_completed, workers
from condensery.rng import stream
from condensery.runs.comparison.batches import RunBatch, initial_states
from condensery.runs.comparison.sets import PlannedRun, PlannedSet
from condensery.training import (
    FUSED_AFTER,
    Clock,
    StepTime,
    Trainer,
    accuracy,
    time_steps,
    training_steps,
)
from condensery.types import Examples

QUICK = 20.0
"""Limit in seconds for the sets of a batch in the probe, estimated from its smallest set."""

LONG = 10.0
"""If the first step takes more seconds, its time is used for all steps."""

_TESTED = 256
"""Number of test images in the probe."""

_TIMED = 2
"""Number of measured steps, after a first step of preparation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCost:
    """The estimated time of a batch from its start."""

    batch: RunBatch  # the runs
    update: float  # seconds of one image update of all its sets, without network training
    taken: int  # how many of its sets the probe took
    training: float  # seconds of all network training, and clustering, of the batch
    once: float  # seconds of what is prepared once (compiling)

    def seconds(self, *, done: float) -> float:
        """Remaining seconds when a fraction ``done`` of the batch is finished."""
        return self.once + (1 - done) * (self.batch.updates * self.update + self.training)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationCost:
    """The estimated time of the evaluation.

    Attributes:
        step: Seconds of one training step on a full batch, by network; of one thread if every
            network has one.
        seconds: Seconds of all networks together.
    """

    step: Mapping[str, float]
    seconds: float


def batch_cost(
    batch: RunBatch,
    data: ImageData,
    *,
    seed: int,
    device: str = "cpu",
    clock: Clock = time.perf_counter,
) -> BatchCost:
    """Measure a few steps of a batch on real training images with this seed."""
    probe = _Probe(data, seed, device, clock)
    runs = sorted(batch.runs, key=probe.examples)
    smallest = runs[0]
    least = probe.matching(runs[:1])
    few = probe.examples(smallest)
    taken = 1  # the smallest first, while an update of them is quick enough to be timed
    while taken < len(runs) and least.each * probe.examples(*runs[: taken + 1]) / few * 3 <= QUICK:
        taken += 1
    more = least if taken == 1 else probe.matching(runs[:taken])
    many, whole = probe.examples(*runs[:taken]), probe.examples(*runs)
    each = more.each
    if taken < len(runs):  # what sets share costs the same for all of them
        slope = (more.each - least.each) / (many - few) if many > few else least.each / few
        each += max(0.0, slope) * (whole - many)
    need = probe.network_training(smallest)
    training, once = 0.0, max(0.0, least.first - least.each)
    if need is not None and need.steps:
        step = probe.network_step(smallest, need)
        training = need.steps * step.each / (need.concurrent or 1)
        once += max(0.0, step.first - step.each)
    recipe = smallest.recipe
    if again := recipe.iterations * recipe.sampler.costly_draws(recipe.schedule.updates):
        training += again * max(0.0, probe.clustering(smallest) - least.each)
    return BatchCost(batch=batch, update=each, taken=taken, training=training, once=once)


def evaluation_cost(
    sets: Sequence[PlannedSet],
    data: Data,
    *,
    protocol: Protocol,
    choices: Mapping[str, Any],
    left: float,
    device: str = "cpu",
    clock: Clock = time.perf_counter,
) -> EvaluationCost:
    """Measure a few training steps of the networks of the evaluation, and a part of testing.

    Args:
        sets: The sets; equal sets are evaluated once.
        data: The data with the test images.
        protocol: How networks are trained.
        choices: Arguments of ``evaluate``: networks, seeds, precision.
        left: Number of remaining networks, as a fraction of those of one condensation.
        device: The device of the training.
        clock: A clock in seconds.
    """
    probe = _Probe(data.train, 0, device, clock)
    batch, precision = protocol.training.batch, str(choices["precision"])
    counted = {(each.identity, size): each for each in sets for size in each.sizes}
    examples = [probe.examples_at(each, size) for (_, size), each in counted.items()]
    steps = [protocol.total_steps(count) for count in examples]
    batches = sum(n * min(batch, count) / batch for n, count in zip(steps, examples, strict=True))
    networks = left * int(choices["seeds"])
    # In fp32 nothing is compiled, and what is not worth it is not, either.
    compiled = precision != "fp32" and networks * sum(steps) >= FUSED_AFTER
    compiled = compiled and cannot_compile() is None
    few = replace(data.test, images=data.test.images[:_TESTED], labels=data.test.labels[:_TESTED])
    few, real = few.to(device), probe.real(batch)
    found: dict[str, float] = {}
    seconds = 0.0
    for name in choices["networks"]:
        network = fresh(name, few, size=1, seed=0)
        trainer = Trainer(network, protocol.training, precision=precision, compiled=compiled)
        threads = compiled and can_train(network)  # then every network has a thread
        step = probe.training(trainer, real, compiled=compiled, on_a_thread=threads)
        before = clock()
        accuracy(network, few, precision=precision)
        test = (clock() - before) * len(data.test) / len(few)
        found[name if isinstance(name, str) else repr(name)] = step.each
        concurrent = workers() if threads else 1
        seconds += networks * (batches * step.each / concurrent + len(counted) * test)
        seconds += max(0.0, step.first - step.each) * (left > 0)
    return EvaluationCost(step=found, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Probe:
    """Takes single steps of runs and trainings on real images, and measures their time."""

    data: ImageData
    seed: int
    device: str
    clock: Clock

    def examples(self, *runs: PlannedRun) -> int:
        """Number of examples that runs match in every image update, without their subsets."""
        each = (run.recipe.ipc * run.recipe.parameterization.examples_each for run in runs)
        return self.data.classes * sum(each)

    def examples_at(self, planned: PlannedSet, size: int) -> int:
        """Number of training examples of a network."""
        if not planned.runs:
            return size * self.data.classes
        return size * self.examples(planned.runs[0]) // planned.runs[0].recipe.ipc

    def matching(self, runs: Sequence[PlannedRun]) -> StepTime:
        """The time of an image update of a batch, without network training and clustering."""
        recipes = [_bare(run.recipe) for run in runs]
        updates = (each for each in self._steps(runs, recipes) if not each[0].boundary)
        return self._timed(updates, compiled=bool(recipes[0].compiled))

    def clustering(self, run: PlannedRun) -> float:
        """Seconds of one clustering of the real images, and of one image update."""
        steps = self._steps([run], [replace(_bare(run.recipe), sampler=run.recipe.sampler)])
        before = self.clock()
        next(steps)
        return self.clock() - before

    def network_training(self, run: PlannedRun) -> NetworkTraining | None:
        """The network training of a run; ``None`` if it cannot be measured separately."""
        recipe = run.recipe
        context = RunContext(
            data=self.data,
            network=networks_of(recipe, self.data),
            synthetic=_no_set,
            seed=0,
            device=self.device,
            precision=recipe.precision,
            compiled=recipe.compiled,
            architecture=recipe.network,
        )
        return recipe.schedule.network_training(
            context, iterations=recipe.iterations, examples=self.examples(run)
        )

    def network_step(self, run: PlannedRun, need: NetworkTraining) -> StepTime:
        """The time of a network step of a run; of one thread if every network has one."""
        network = networks_of(run.recipe, self.data)(seed=self.seed, path=("pace",)).to(self.device)
        trainer = Trainer(network, need.training, precision=need.precision, compiled=need.compiled)
        on_a_thread = need.concurrent is not None
        real = self.real(need.batch)
        return self.training(trainer, real, compiled=bool(need.compiled), on_a_thread=on_a_thread)

    def real(self, many: int) -> tuple[Tensor, Tensor]:
        """A batch of normalised real images, and their labels."""
        index = torch.randint(len(self.data), (many,), generator=stream(self.seed, "pace", "batch"))
        images = self.data.normalise(self.data.pixels(index))
        return images.to(self.device), self.data.labels[index].to(self.device)

    def training(
        self, trainer: Trainer, real: tuple[Tensor, Tensor], *, compiled: bool, on_a_thread: bool
    ) -> StepTime:
        """The time of training steps on one batch, while other threads train, too."""

        def task() -> Generator[StepTime]:
            steps = training_steps(trainer, *real, rng=stream(self.seed, "pace", "step"))
            yield self._timed(steps, compiled=compiled)

        (found,) = as_completed([task()]) if on_a_thread else task()
        return found

    def _steps(self, runs: Sequence[PlannedRun], recipes: Sequence[Recipe]) -> Iterator[Any]:
        states = initial_states(runs, self.data, seed=self.seed)
        return run_together(recipes, self.data, seed=self.seed, states=states, device=self.device)

    def _timed(self, steps: Iterator[object], *, compiled: bool) -> StepTime:
        return time_steps(steps, least=_TIMED, enough=LONG, compiled=compiled, clock=self.clock)


def _no_set() -> Examples:
    raise AssertionError("An estimate of time looks at no synthetic set.")


def _bare(recipe: Recipe) -> Recipe:
    """The recipe without network training and clustering, with a few image updates."""
    schedule = recipe.schedule.untrained()
    iterations = -(-(1 + _TIMED) // schedule.updates)
    return replace(recipe, iterations=iterations, schedule=schedule, sampler=recipe.sampler.cheap())
