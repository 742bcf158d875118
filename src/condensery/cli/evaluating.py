"""Evaluation as the command line does it: every trained network is noted at once, and shown.

Knows nothing about run folders: it is given a path for the observations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensery.artifact import CondensedSet
from condensery.cli.evaluation import EvaluationPlan
from condensery.cli.progress import live
from condensery.data import Data
from condensery.evaluation import (
    Observation,
    Trials,
    append_observation,
    observe,
    read_observations,
)

__all__ = ["merged", "planned", "train"]


def planned(
    condensed: CondensedSet,
    data: Data,
    evaluation: EvaluationPlan,
    *,
    device: str,
    known: Sequence[Observation] = (),
) -> Trials:
    """The networks still to be trained; raises what ``observe`` raises, and trains none."""
    return observe(
        condensed,
        replace(data, test=data.test.to(device)),
        sizes=evaluation.sizes,
        networks=evaluation.networks,
        seeds=evaluation.seeds,
        protocol=evaluation.protocol,
        epochs=evaluation.epochs,
        steps=evaluation.steps,
        precision=evaluation.precision,
        known=known,
    )


def train(
    condensed: CondensedSet,
    data: Data,
    evaluation: EvaluationPlan,
    *,
    device: str,
    path: Path | None,
) -> list[Observation]:
    """Train what is not known yet.

    Args:
        condensed: The set.
        data: To test on, and to choose random images from.
        evaluation: What to train.
        device: Where.
        path: Known observations are read from it, new ones appended at once; ``None`` keeps
            nothing.

    Returns:
        All observations that were asked for, in the order of training.
    """
    known = [] if path is None else read_observations(path)
    trials = planned(condensed, data, evaluation, device=device, known=known)
    found = {observation.key: observation for observation in known}
    total = len(trials.planned)
    if not len(trials):
        return [found[trial.key] for trial in trials.planned]
    with live("evaluate", total=total, done=total - len(trials), unit="network") as show:
        for observation in trials:
            if path is not None:
                append_observation(path, observation)
            found[observation.key] = observation
            show.step(
                f"{observation.set}, size {observation.size}, {observation.network}, seed "
                f"{observation.seed}: {100 * observation.accuracy:.1f} %"
            )
    return [found[trial.key] for trial in trials.planned]


def merged(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Records of a condensed file with new ones in place of those that measure the same thing."""
    fresh = {_identity(record) for record in new}
    kept = [record for record in old if _identity(record) not in fresh]
    return sorted([*kept, *new], key=_identity)


def _identity(record: Mapping[str, Any]) -> tuple[object, ...]:
    length = (record.get("epochs") or 0, record.get("steps") or 0)
    precision = record.get("precision") or "fp32"
    named = (str(record.get("protocol")), *length, precision)
    return (*named, ",".join(record.get("networks") or ()), record["size"])
