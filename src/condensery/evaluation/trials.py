"""A sequence of trials: those with known results are skipped, the others are trained.

Knows nothing about the origin of trials, and nothing about the use of observations.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from enum import Enum, auto
from functools import partial
from itertools import groupby

from condensery.devices import accelerated
from condensery.engines.toolchain import cannot_compile, go_uncompiled
from condensery.evaluation.observation import Key, Observation
from condensery.evaluation.trial import Trial
from condensery.parallel import as_completed, workers
from condensery.training import COMPILE_AFTER, FUSED_AFTER


class Trials(Iterator[Observation]):
    """An iterator of observations; each ``next`` trains and tests one network.

    If compiled code trains networks, each has one thread (``parallel.as_completed``): the next
    networks are trained while the caller uses a result, and shorter trainings may overtake longer
    ones. Other networks use all threads, one after the other.

    Attributes:
        planned: All trials, including those with known results.
    """

    def __init__(self, planned: Sequence[Trial], *, known: Set[Key]) -> None:
        self.planned = tuple(planned)
        self._left = [trial for trial in planned if trial.key not in known]
        self._executions = _executions(self._left)
        self._running: Iterator[tuple[Trial, Observation]] | None = None

    def __len__(self) -> int:
        """Number of networks that are not trained yet."""
        return len(self._left)

    @property
    def concurrent(self) -> int:
        """Number of networks that are trained at the same time."""
        return workers() if _Execution.SWEPT in self._executions.values() else 1

    def __next__(self) -> Observation:
        if self._running is None:  # also after a failure
            self._running = _observations(tuple(self._left), self._executions)
        try:
            trial, observation = next(self._running)
        except BaseException:
            self._running = None
            raise
        self._left.remove(trial)
        return observation


def _observations(
    trials: Iterable[Trial], executions: Mapping[str, _Execution]
) -> Iterator[tuple[Trial, Observation]]:
    for execution, alike in groupby(trials, key=lambda trial: executions[trial.name]):
        observe = partial(_observation, compiled=execution is not _Execution.EAGER)
        if execution is _Execution.SWEPT:
            yield from as_completed(_task(observe, trial) for trial in alike)
        else:
            yield from ((trial, observe(trial)) for trial in alike)


def _task(
    observe: Callable[[Trial], Observation], trial: Trial
) -> Generator[tuple[Trial, Observation]]:
    yield trial, observe(trial)


def _observation(trial: Trial, *, compiled: bool) -> Observation:
    begin = time.perf_counter()
    epochs, steps = trial.protocol.length
    accuracy = trial.run(compiled=compiled)
    return Observation(
        set=trial.set,
        size=trial.size,
        network=trial.name,
        seed=trial.seed,
        protocol=trial.protocol.name,
        epochs=epochs,
        steps=steps,
        precision=trial.precision,
        accuracy=accuracy,
        seconds=time.perf_counter() - begin,
        images=trial.count,
        fingerprint=trial.fingerprint,
    )


class _Execution(Enum):
    """How a network is trained."""

    EAGER = auto()
    COMPILED = auto()
    SWEPT = auto()  # compiled, and calls no module


def _executions(trials: Sequence[Trial]) -> dict[str, _Execution]:
    """For each network, whether compiling saves time for its number of steps.

    In fp32 nothing is compiled: it is the reference, whose bits must not change. On a GPU networks
    are trained one after the other.
    """
    executions = {trial.name: _Execution.EAGER for trial in trials}
    steps: Counter[str] = Counter()
    swept: dict[str, bool] = {}
    for trial in trials:
        if trial.precision == "bf16":
            if trial.name not in swept:
                swept[trial.name] = trial.swept and not accelerated(trial.test.images.device)
            steps[trial.name] += trial.steps if swept[trial.name] else trial.full_batches
    for name, count in steps.items():
        if count >= (FUSED_AFTER if swept[name] else COMPILE_AFTER):
            executions[name] = _Execution.SWEPT if swept[name] else _Execution.COMPILED
    if any(execution is not _Execution.EAGER for execution in executions.values()) and (
        cause := cannot_compile()
    ):
        go_uncompiled(cause, what="Evaluation")
        return dict.fromkeys(executions, _Execution.EAGER)
    return executions
