"""A sequence of trials: those with known results are skipped, the others are trained.

Knows nothing about the origin of trials, and nothing about the use of observations.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from itertools import groupby

from condensery.condensed.artifact import CondensedSet
from condensery.data import ImageData
from condensery.devices import accelerated, model
from condensery.engines.toolchain import cannot_compile, go_uncompiled
from condensery.evaluation.observation import Key, Observation
from condensery.evaluation.teacher import TrainedTeacher
from condensery.evaluation.trial import Trial
from condensery.parallel import THREADS, Pool
from condensery.training import COMPILE_AFTER, FUSED_AFTER


class Trials(Iterator[Observation]):
    """An iterator of observations; each ``next`` trains and tests one network.

    If compiled code trains networks, each has one thread (``parallel.as_completed``): the next
    networks are trained while the caller uses a result, and shorter trainings may overtake longer
    ones. Other networks use all threads, one after the other. On the workers of a cluster every
    network is a task.

    Attributes:
        planned: All trials, including those with known results.
    """

    def __init__(self, planned: Sequence[Trial], *, known: Set[Key], pool: Pool = THREADS) -> None:
        self.planned = tuple(planned)
        self._pool = pool
        self._left = [trial for trial in planned if trial.key not in known]
        self._executions = _executions(self._left)
        self._running: Iterator[tuple[Trial, Observation]] | None = None

    def __len__(self) -> int:
        """Number of networks that are not trained yet."""
        return len(self._left)

    @property
    def concurrent(self) -> int:
        """Number of networks that are trained at the same time."""
        here = self._pool.device is None and _Execution.SWEPT not in self._executions.values()
        return 1 if here else self._pool.slots

    def __next__(self) -> Observation:
        if self._running is None:  # also after a failure
            self._running = _observations(tuple(self._left), self._executions, self._pool)
        try:
            trial, observation = next(self._running)
        except BaseException:
            self._running = None
            raise
        self._left.remove(trial)
        return observation


def _observations(
    trials: Sequence[Trial], executions: Mapping[str, _Execution], pool: Pool
) -> Iterator[tuple[Trial, Observation]]:
    task = partial(_observe, executions=executions, device=pool.device)
    kinds = (CondensedSet, ImageData, TrainedTeacher)
    parts = (part for trial in trials for part in vars(trial).values())
    shared = [part for part in parts if isinstance(part, kinds)]

    def one_thread(trial: Trial) -> bool:
        return pool.device is not None or executions[trial.name] is _Execution.SWEPT

    for alone, alike in groupby(trials, key=one_thread):
        yield from pool.as_completed(task, alike, shared=shared, one_thread=alone, what="network")


def _observe(
    trial: Trial, *, executions: Mapping[str, _Execution], device: str | None
) -> Iterator[Observation]:
    compiled = executions[trial.name] is not _Execution.EAGER
    yield _observation(trial, compiled=compiled, device=device)


def _observation(trial: Trial, *, compiled: bool, device: str | None = None) -> Observation:
    begin = time.perf_counter()
    epochs, steps = trial.protocol.length
    there = trial if device is None else replace(trial, test=trial.test.to(device))
    outcome = there.run(compiled=compiled)
    return Observation(
        set=trial.set,
        size=trial.size,
        network=trial.name,
        seed=trial.seed,
        protocol=trial.protocol.name,
        epochs=epochs,
        steps=steps,
        precision=trial.precision,
        accuracy=outcome.accuracy,
        seconds=time.perf_counter() - begin,
        images=trial.count,
        fingerprint=trial.fingerprint,
        device=model(there.test.images.device),
        training_accuracy=outcome.training_accuracy,
    )


class _Execution(Enum):
    """How a network is trained."""

    EAGER = auto()
    COMPILED = auto()
    SWEPT = auto()  # compiled, and calls no module


def _executions(trials: Sequence[Trial]) -> dict[str, _Execution]:
    """For each network, whether compiling saves time for its number of steps.

    In fp32, only networks of the fused engine are compiled: the gain of others was not measured. On
    a GPU networks are trained one after the other.
    """
    executions = {trial.name: _Execution.EAGER for trial in trials}
    steps: Counter[str] = Counter()
    swept: dict[str, bool] = {}
    for trial in trials:
        if not trial.compiles:
            continue
        if trial.name not in swept:
            swept[trial.name] = trial.swept and not accelerated(trial.test.images.device)
        if swept[trial.name]:
            steps[trial.name] += trial.steps
        elif trial.precision == "bf16":
            steps[trial.name] += trial.full_batches
    for name, count in steps.items():
        if count >= (FUSED_AFTER if swept[name] else COMPILE_AFTER):
            executions[name] = _Execution.SWEPT if swept[name] else _Execution.COMPILED
    compiled = any(execution is not _Execution.EAGER for execution in executions.values())
    on_cpu = any(not accelerated(trial.test.images.device) for trial in trials)
    if compiled and on_cpu and (cause := cannot_compile()):
        go_uncompiled(cause, what="Evaluation")
        return dict.fromkeys(executions, _Execution.EAGER)
    return executions
