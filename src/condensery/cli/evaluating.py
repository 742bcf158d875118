"""Evaluation as the command line does it: every trained network is noted at once, and shown.

Knows nothing about run folders: it is given a path for the observations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from condensery.artifact import CondensedSet
from condensery.cli.evaluation import EvaluationPlan
from condensery.cli.progress import live
from condensery.cli.selecting import selected
from condensery.data import Data
from condensery.errors import ConfigError, nearest
from condensery.evaluation import (
    Evaluation,
    Observation,
    append_observation,
    evaluate,
    read_observations,
)
from condensery.registry import names
from condensery.selection import Trained, steps_of

__all__ = ["merged", "planned", "train"]


def planned(
    condensed: CondensedSet,
    data: Data,
    evaluation: EvaluationPlan,
    *,
    device: str,
) -> Evaluation:
    """What would be trained; raises what ``evaluate`` raises, and trains nothing.

    Selections other than random are left out of it: choosing them may take a training.
    """
    beside = _beside(evaluation)
    for word in beside:
        if isinstance(word, str):
            steps_of(word, data.train)
    sets = [each for each in beside if each == "random" or not isinstance(each, str)]
    return _evaluation(condensed, data, evaluation, beside=sets, device=device)


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
    largest = condensed.sizes if evaluation.sizes is None else max(evaluation.sizes)
    trained: Trained = {}
    beside = [
        each
        if each == "random" or not isinstance(each, str)
        else selected(data.train, by=each, ipc=largest, device=device, trained=trained)
        for each in _beside(evaluation)
    ]
    networks = _evaluation(condensed, data, evaluation, beside=beside, device=device, known=known)
    total = len(networks.planned)
    if not len(networks):
        return list(networks.observations)
    done, at_once = total - len(networks), networks.at_once
    with live("evaluate", total=total, done=done, unit="network", at_once=at_once) as show:
        for observation in networks:
            if path is not None:
                append_observation(path, observation)
            show.step(
                f"{observation.set}, size {observation.size}, {observation.network}, seed "
                f"{observation.seed}: {100 * observation.accuracy:.1f} %"
            )
    return list(networks.observations)


def _evaluation(
    condensed: CondensedSet,
    data: Data,
    evaluation: EvaluationPlan,
    *,
    beside: Sequence[str | CondensedSet],
    device: str,
    known: Sequence[Observation] = (),
) -> Evaluation:
    choices: dict[str, Any] = asdict(evaluation) | {"beside": beside, "known": known}
    return evaluate(condensed, replace(data, test=data.test.to(device)), **choices)


def _beside(evaluation: EvaluationPlan) -> list[str | CondensedSet]:
    """Names of rules as they are, files loaded.

    Raises:
        ConfigError: If a word is neither.
    """
    found: list[str | CondensedSet] = []
    for word in evaluation.beside:
        if word in names("selection"):
            found.append(word)
        elif Path(word).exists():
            found.append(CondensedSet.load(word))
        else:
            raise ConfigError(
                f"--beside {word}: is no file and no rule of selection; rules are "
                f"{', '.join(names('selection'))}.{nearest(word, names('selection'))}"
            )
    return found


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
