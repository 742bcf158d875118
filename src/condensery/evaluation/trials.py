"""Trials in a row: those already known are skipped, the others trained one after the other.

Knows nothing about where trials come from, nor what becomes of the observations.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set

from condensery.engines import compiler
from condensery.evaluation.observation import Key, Observation
from condensery.evaluation.trial import Trial
from condensery.training import COMPILE_AFTER, SWEEP_AFTER

__all__ = ["Trials"]

_log = logging.getLogger(__name__)


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
    """The networks that take so many steps in compiled code that compiling them saves time.

    In fp32 nothing is compiled: that is the reference, and its bits are a promise.
    """
    steps: Counter[str] = Counter()
    swept: dict[str, bool] = {}
    for trial in trials:
        if trial.precision != "fp32":
            if trial.name not in swept:
                swept[trial.name] = trial.swept
            steps[trial.name] += trial.steps if swept[trial.name] else trial.full_batches
    least = {name: SWEEP_AFTER if swept[name] else COMPILE_AFTER for name in steps}
    wanted = {name for name, count in steps.items() if count >= least[name]}
    if wanted and compiler() is None:
        _log.warning(
            "Networks are tested uncompiled, several times slower than they could be: torch needs "
            "a C++ compiler such as g++, and there is none."
        )
        return set()
    return wanted
