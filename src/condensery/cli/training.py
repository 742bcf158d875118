"""Experts as the command line trains them: shown epoch by epoch, stopped in time.

Knows nothing about run folders but where in one the experts are.
"""

from __future__ import annotations

import time
from pathlib import Path

from condensery.api import Condensation
from condensery.cli.progress import clock, live
from condensery.errors import ConfigError
from condensery.experts import ExpertSet

__all__ = ["provide", "train"]


def train(order: ExpertSet, *, left: float | None = None) -> float:
    """Train what is missing.

    Args:
        order: The experts that are wanted.
        left: Seconds that it may take, if there is a limit.

    Returns:
        Seconds that it took.

    Raises:
        ConfigError: If the time is spent before all are trained; what is done is kept.
    """
    begin, missing = time.monotonic(), order.missing
    if not missing:
        return 0.0
    total = order.experts * order.epochs
    done, at_once = total - missing, order.at_once
    with live("experts", total=total, done=done, unit="epoch", at_once=at_once) as show:
        for made in order:
            spent = time.monotonic() - begin
            rest = None if left is None else left - spent
            show.step(
                f"expert {made.index + 1}/{order.experts}, epoch {made.epoch}/{order.epochs}, "
                f"loss {made.loss:.4g}",
                left=rest,
            )
            missing -= 1
            if rest is not None and rest <= 0 < missing:
                raise ConfigError(
                    f"The time budget is spent after {clock(spent)} with {missing} of {total} "
                    "epochs of experts untrained; the others are kept. Resume with a larger "
                    "--time-budget, or take fewer or shorter experts (schedule.trajectories, "
                    "schedule.steps)."
                )
    return time.monotonic() - begin


def provide(run: Condensation, folder: Path, *, left: float | None) -> float:
    """Train the experts that a run draws from, into a folder unless the recipe names one.

    Returns:
        Seconds that it took; 0 for a run that needs none.
    """
    run.buffer = folder
    order = run.experts()
    return 0.0 if order is None else train(order, left=left)
