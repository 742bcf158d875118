"""What a comparison will take, from a short probe on this machine.

Every batch of runs takes a few image updates: with all its sets if that is quick, else with as many
as are quick, and the cost of the others is in proportion to their examples. Every different network
takes a few training steps. The result is rough: other work on the machine, and what is compiled
later, change it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from condensery.data import Data, ImageData
from condensery.engines import can_train
from condensery.engines.toolchain import cannot_compile
from condensery.evaluation.protocol import Protocol
from condensery.evaluation.trial import fresh
from condensery.parallel import workers
from condensery.runs.comparison.batches import RunBatch
from condensery.runs.comparison.sets import PlannedRun, PlannedSet
from condensery.runs.comparison.timing import (
    clustering,
    clusterings,
    examples_of,
    matching,
    network_training,
    on_a_thread,
    some,
    step_seconds,
    steps_timed,
)
from condensery.training import FUSED_AFTER, Clock, StepTime, Trainer, accuracy

QUICK = 20.0
"""Seconds that the sets of a batch may take in the probe, judged by its smallest set."""

_TESTED = 256
"""Test images that a network is shown in the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCost:
    """What a batch will take from its beginning.

    Attributes:
        batch: The runs.
        update: Seconds of one image update of all its sets, without network training.
        taken: How many of its sets the probe took.
        training: Seconds of all network training, and clustering, of the batch.
        once: Seconds of what is prepared once (compiling).
    """

    batch: RunBatch
    update: float
    taken: int
    training: float
    once: float

    def seconds(self, *, done: float) -> float:
        """Of what is left when a fraction ``done`` is behind."""
        return self.once + (1 - done) * (self.batch.updates * self.update + self.training)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationCost:
    """What the evaluation will take.

    Attributes:
        step: Seconds of one training step on a whole batch, by network; of a thread, where every
            network has one.
        seconds: Of all networks together.
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
    """Time a few steps of a batch.

    Args:
        batch: The runs.
        data: Real training images.
        seed: Of the condensation.
        device: Where it runs.
        clock: Seconds.
    """

    def update(runs: Sequence[PlannedRun]) -> StepTime:
        return matching(runs, data, seed=seed, device=device, clock=clock)

    runs = sorted(batch.runs, key=lambda run: examples_of(run, data))
    smallest = runs[0]
    least = update(runs[:1])
    taken = _quick(runs, data, least.each)
    more = least if taken == 1 else update(runs[:taken])
    few, many, whole = (_examples(runs[:k], data) for k in (1, taken, len(runs)))
    each = more.each
    if taken < len(runs):  # what sets share costs the same for all of them
        slope = (more.each - least.each) / (many - few) if many > few else least.each / few
        each += max(0.0, slope) * (whole - many)
    need = network_training(smallest, data, device=device)
    training, once = 0.0, max(0.0, least.first - least.each)
    if need is not None and need.steps:
        step = step_seconds(smallest, need, data, seed=seed, device=device, clock=clock)
        training = need.steps * step.each / (need.at_once or 1)
        once += max(0.0, step.first - step.each)
    if again := clusterings(smallest.recipe):
        found = clustering(smallest, data, seed=seed, device=device, clock=clock)
        training += again * max(0.0, found - least.each)
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
    """Time a few training steps of the networks that are evaluated, and a part of testing.

    Args:
        sets: Those that are the same are evaluated once.
        data: To test on.
        protocol: How networks are trained.
        choices: Arguments of ``evaluate``: networks, seeds, precision.
        left: Networks that are still to be trained, as a fraction of one condensation's.
        device: Where.
        clock: Seconds.
    """
    batch, precision = protocol.training.batch, str(choices["precision"])
    counted = {(each.identity, size): each for each in sets for size in each.sizes}
    examples = [_examples_at(each, size, data.train) for (_, size), each in counted.items()]
    steps = [protocol.total_steps(count) for count in examples]
    batches = sum(n * min(batch, count) / batch for n, count in zip(steps, examples, strict=True))
    networks = left * int(choices["seeds"])
    # In fp32 nothing is compiled, and what is not worth it is not, either.
    compiled = precision != "fp32" and networks * sum(steps) >= FUSED_AFTER
    compiled = compiled and cannot_compile() is None
    images, labels = some(data.train, batch, seed=0)
    few = _first(data.test, _TESTED).to(device)
    found: dict[str, float] = {}
    seconds = 0.0
    for name in choices["networks"]:
        network = fresh(name, few, size=1, seed=0)
        trainer = Trainer(network, protocol.training, precision=precision, compiled=compiled)
        timed = partial(
            steps_timed,
            trainer,
            images.to(device),
            labels.to(device),
            compiled=compiled,
            seed=0,
            clock=clock,
        )
        at_once = 1
        if compiled and can_train(network):  # then every network has a thread
            at_once = workers()
            step = on_a_thread(timed)
        else:
            step = timed()
        before = clock()
        accuracy(network, few, precision=precision)
        test = (clock() - before) * len(data.test) / len(few)
        found[name if isinstance(name, str) else repr(name)] = step.each
        once = max(0.0, step.first - step.each)
        seconds += networks * (batches * step.each / at_once + len(counted) * test)
        seconds += once * (left > 0)
    return EvaluationCost(step=found, seconds=seconds)


def _quick(runs: Sequence[PlannedRun], data: ImageData, each: float) -> int:
    """How many sets, the smallest first, an update of which is quick enough to be timed."""
    first = examples_of(runs[0], data)
    taken = 1
    while taken < len(runs) and each * _examples(runs[: taken + 1], data) / first * 3 <= QUICK:
        taken += 1
    return taken


def _examples(runs: Sequence[PlannedRun], data: ImageData) -> int:
    return sum(examples_of(run, data) for run in runs)


def _examples_at(planned: PlannedSet, size: int, data: ImageData) -> int:
    """Examples that a network is trained on."""
    if not planned.runs:
        return size * data.classes
    run = planned.runs[0]
    return size * examples_of(run, data) // run.recipe.ipc


def _first(data: ImageData, many: int) -> ImageData:
    return replace(data, images=data.images[:many], labels=data.labels[:many])
