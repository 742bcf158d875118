"""Trials in a row: those already known are skipped, the others trained one after the other.

Knows nothing about where trials come from, nor what becomes of the observations.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set

from condensery.evaluation.observation import Key, Observation
from condensery.evaluation.trial import Trial
from condensery.training import COMPILE_AFTER

__all__ = ["Trials"]


class Trials(Iterator[Observation]):
    """An iterator of observations; each ``next`` trains and tests one network.

    Attributes:
        planned: All trials, the known ones, too.
    """

    def __init__(self, planned: Sequence[Trial], *, known: Set[Key]) -> None:
        self.planned = tuple(planned)
        self._left = [trial for trial in planned if trial.key not in known]
        self._compiled = _worth_compiling(self._left)
        self._left.reverse()

    def __len__(self) -> int:
        """How many networks are still to be trained."""
        return len(self._left)

    def __next__(self) -> Observation:
        if not self._left:
            raise StopIteration
        trial = self._left[-1]
        begin = time.perf_counter()
        epochs, steps = trial.protocol.length
        accuracy, images = trial.run(compiled=trial.name in self._compiled)
        self._left.pop()
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
            images=images,
            fingerprint=trial.fingerprint,
        )


def _worth_compiling(trials: Sequence[Trial]) -> set[str]:
    """The networks whose full batches are so many that compiling them saves time.

    In fp32 nothing is compiled: that is the reference, and its bits are a promise.
    """
    steps: Counter[str] = Counter()
    for trial in trials:
        if trial.precision != "fp32":
            steps[trial.name] += trial.full_batches
    return {name for name, count in steps.items() if count >= COMPILE_AFTER}
