"""The training of experts with progress and a time limit."""

from __future__ import annotations

import time
from dataclasses import replace

from condensery.api import Condensation
from condensery.errors import ConfigError
from condensery.experts import ExpertSet
from condensery.formatting import duration
from condensery.parallel import ALONE, Processes
from condensery.runs.listener import Reporter


def train_missing(
    experts: ExpertSet,
    reporter: Reporter,
    *,
    left: float | None = None,
    index: int = 0,
    count: int = 1,
) -> float:
    """Train the missing epochs.

    Args:
        experts: The experts.
        reporter: Gets the progress of this process.
        left: Seconds after which the training ends; None: when all are trained.
        index: Index of this process, which trains every ``count``-th expert first, and then those
            that the other processes have not begun.
        count: Number of processes that train these experts in one folder.

    Returns:
        Seconds of the training.

    Raises:
        ConfigError: If the time is over before all are trained; trained epochs stay stored.
    """
    begin, missing = time.monotonic(), experts.missing
    if not missing:
        cost = duration(experts.cpu_seconds)
        reporter.notice(
            f"{experts.experts} experts are there already (they took {cost} of CPU time): "
            f"{experts.buffer.folder}"
        )
        return 0.0
    total = experts.experts * experts.epochs
    with reporter.task(
        "experts", total=total, done=total - missing, unit="epoch", concurrent=experts.concurrent
    ) as task:
        for result in replace(experts, order=_order(experts.experts, index, count)):
            spent = time.monotonic() - begin
            rest = None if left is None else left - spent
            task.step(
                f"expert {result.index + 1}/{experts.experts}, "
                f"epoch {result.epoch}/{experts.epochs}, loss {result.loss:.4g}",
                left=rest,
            )
            missing -= 1
            if rest is not None and rest <= 0 < missing:
                raise ConfigError(
                    f"The time budget is spent after {duration(spent)} with {missing} of {total} "
                    "epochs of experts untrained; the others are on file. Resume with a larger "
                    "--time-budget (time_budget=), or take fewer or shorter experts "
                    "(schedule.trajectories, schedule.steps)."
                )
    return time.monotonic() - begin


def _order(experts: int, index: int, count: int) -> tuple[int, ...]:
    """Own experts first; then the others from the end, where their processes come last."""
    own = range(index, experts, count)
    return (*own, *(other for other in reversed(range(experts)) if other not in own))


def train_for(
    condensation: Condensation,
    reporter: Reporter,
    *,
    left: float | None,
    processes: Processes = ALONE,
) -> float:
    """Train the missing experts of a condensation, shared out among its processes.

    Returns:
        Seconds of the training; 0 for a condensation without experts.
    """
    experts = condensation.experts()
    if experts is None:
        return 0.0
    index, count = processes.index, processes.count
    return train_missing(experts, reporter, left=left, index=index, count=count)
