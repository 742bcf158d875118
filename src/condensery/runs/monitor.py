"""Measures of all sizes during a run, which are written to ``proxy.jsonl``.

Measures have their own random streams and do not affect the run, whose result has the same bits
with and without them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condensery.api import Condensation
from condensery.condensing.progress import State
from condensery.errors import DataError, UnsupportedNetwork
from condensery.evaluation import Proxy
from condensery.runs.lines import LineFile, read_lines
from condensery.runs.listener import Reporter

_MEASURES = 20
"""Largest number of measures in a run."""

_SHARE = 0.02
"""Largest share of the time of a run for measures; a measure that would take more is skipped."""

_WITHOUT_NETWORK = "convnet3-w32"
"""The network of the measures if a run has no network."""


class Monitor:
    """Measures the sizes of a run, and says when they no longer improve.

    Attributes:
        exhausted: Whether the last ``patience`` measures had no better mean.
    """

    def __init__(
        self, path: Path, run: Condensation, *, patience: int | None, reporter: Reporter
    ) -> None:
        """Open the file; lines of iterations that the run repeats are removed.

        Args:
            path: Path of ``proxy.jsonl``.
            run: The run at the end of the iteration from which it continues.
            patience: Number of measures without a better mean that end the run; None: they never
                end it, and measures that take too long are skipped.
            reporter: Gets a notice if the sizes cannot be measured.
        """
        known = [line for line in read_lines(path) if not line["end"]]
        keep = sum(line["outer"] <= run.state.outer for line in known)
        self._means = [float(line["mean"]) for line in known[:keep]]
        self._file = LineFile(path, keep=keep)
        self._patience, self._reporter = patience, reporter
        self._proxy: Proxy | None = None
        self._spent = self._last = 0.0
        self._measured: tuple[int, int] | None = None
        self._off = False
        self.exhausted = False

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def due(self, run: Condensation, elapsed: float) -> bool:
        """Whether to measure at the end of an outer iteration.

        That is so 20 times a run, except where it would take too long.
        """
        outer, whole = run.state.outer, run.recipe.iterations
        if (outer * _MEASURES) // whole == ((outer - 1) * _MEASURES) // whole:
            return False
        expensive = self._spent + self._last > _SHARE * elapsed
        return not (expensive and self._last and self._patience is None)

    def boundary(
        self,
        run: Condensation,
        elapsed: float,
        *,
        cpu: float | None = None,
        state: State | None = None,
    ) -> None:
        """Measure at the end of an outer iteration if it is ``due``.

        Args:
            run: The run after the iteration.
            elapsed: Seconds of the run.
            cpu: CPU seconds of the run without its experts; None if they do not say its cost.
            state: Its whole state; None if it has one process.
        """
        if not self.due(run, elapsed):
            return
        self._measure(run, state, beyond=0, cpu=cpu, end=False)
        if self._patience is not None and not self._off:
            best = self._means.index(min(self._means))
            self.exhausted = len(self._means) - 1 - best >= self._patience

    def end(
        self,
        run: Condensation,
        *,
        beyond: int,
        cpu: float | None = None,
        state: State | None = None,
    ) -> None:
        """Measure the result if it has not been measured; arguments as in ``boundary``."""
        if self._measured != (run.state.outer, beyond):
            self._measure(run, state, beyond=beyond, cpu=cpu, end=True)

    def _measure(
        self, run: Condensation, state: State | None, *, beyond: int, cpu: float | None, end: bool
    ) -> None:
        if self._off:
            return
        begin = ready = time.monotonic()
        recipe, state = run.recipe, run.state if state is None else state
        try:
            if self._proxy is None:
                name = _WITHOUT_NETWORK if recipe.network == "none" else recipe.network
                sample = max(200, 20 * recipe.ipc)  # its own error is then 1/20 of random images'
                self._proxy = Proxy(run.data, name, sample=sample, device=run.device)
                ready = time.monotonic()
            measure = self._proxy(recipe.parameterization.decode(state.stored))
        except (UnsupportedNetwork, DataError) as error:
            self._off = True
            self._reporter.notice(f"The sizes are not measured during the run: {error}")
            return
        now = time.monotonic()
        self._spent, self._last = self._spent + now - begin, now - ready
        self._measured = (state.outer, beyond)
        self._means += [] if end else [measure.mean]
        self._file.add(
            {
                "outer": state.outer,
                "beyond": beyond,
                "end": end,
                "mean": measure.mean,
                "relative": [round(r, 6) for r in measure.relative],
                "loss": list(measure.loss),
                "seconds": round(now - begin, 3),
                **({} if cpu is None else {"cpu": round(cpu, 3)}),
            }
        )
        by_size = {f"distance/size {k}": r for k, r in enumerate(measure.relative, start=1)}
        at = state.outer * recipe.schedule.updates + beyond
        trackers = self._reporter.trackers
        trackers.log({"distance/mean": measure.mean, **by_size}, axis="update", at=at)


def proxy_line(path: Path) -> str | None:
    """The last measure in words, or None."""
    lines = read_lines(path)
    if not lines:
        return None
    relative: Sequence[Any] = lines[-1]["relative"]
    sizes = sorted({1, 2, 5, 10, 20, 50, 100, len(relative)})
    shown = ", ".join(f"{k}: {relative[k - 1]:.3f}" for k in sizes if k <= len(relative))
    return (
        f"Distance of mean features to real images, random images have 1: {shown}; mean "
        f"{lines[-1]['mean']:.3f}"
    )
