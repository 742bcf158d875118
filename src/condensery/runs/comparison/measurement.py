"""All networks that a comparison trains: every set, every size, the same seeds for all rows.

Sets that hold the same images are evaluated once. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import CondenseryError
from condensery.evaluation import Evaluation, Observation, evaluate
from condensery.evaluation.observation import Key
from condensery.evaluation.trial import Trial

Accuracies = Mapping[str, Mapping[str, Mapping[int, Sequence[Sequence[float]]]]]
"""``{network: {row: {size: [condensation][network of it]}}}``, fractions of 1."""

_SET = "condensed"
"""What ``evaluate`` calls the condensed set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSet:
    """A set to be evaluated.

    Attributes:
        row: Name of its row.
        condensation: Which of the condensations, from 0.
        sizes: Images per class to evaluate.
        images: The set that the networks of a seed are trained on; random real images are
            another set for every seed.
    """

    row: str
    condensation: int
    sizes: tuple[int, ...]
    images: Callable[[int], CondensedSet]


def network_seeds(*, seed: int, condensation: int, networks: int) -> range:
    """Seeds of the networks that evaluate a condensation: others for every condensation."""
    first = seed + condensation * networks
    return range(first, first + networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The networks of a comparison.

    Attributes:
        evaluation: Every network once, those of the first seed first; iterate to train.
        keys: For every set, size, seed and network: the set, and the key of the observation.
    """

    evaluation: Evaluation
    keys: tuple[tuple[MeasuredSet, Key], ...]

    def named(self, observation: Observation) -> Observation:
        """The observation as it is stored: under the name of the first row that it belongs to."""
        names = {key: each.row for each, key in reversed(self.keys)}
        return replace(observation, set=names[observation.key])

    def unnamed(self, observation: Observation) -> Observation:
        """The observation that ``named`` was given."""
        return replace(observation, set=_SET)

    def accuracies(self, observations: Iterable[Observation], *, condensations: int) -> Accuracies:
        """Sort observations, in the order of training; unknown ones are left out."""
        known = _by_key(observations)
        sorted_: dict[str, dict[str, dict[int, list[list[float]]]]] = {}
        for evaluated, key in self.keys:
            if key not in known:
                continue
            each = known[key]
            sizes = sorted_.setdefault(each.network, {}).setdefault(evaluated.row, {})
            cells = sizes.setdefault(each.size, [[] for _ in range(condensations)])
            cells[evaluated.condensation].append(each.accuracy)
        return sorted_


def measurement(
    sets: Sequence[MeasuredSet],
    data: Data,
    *,
    seed: int,
    choices: Mapping[str, Any],
    known: Iterable[Observation] = (),
) -> Measurement:
    """What is to be trained by these arguments of ``evaluate``, but for what is known.

    Labels concern only sets that have learned some.

    Raises:
        ConfigError, DataError: As ``evaluate``, naming the row.
    """
    networks = int(choices["seeds"])
    trials: dict[Key, Trial] = {}
    keys: list[tuple[MeasuredSet, Key]] = []
    for turn in range(networks):
        for evaluated in sets:
            own = network_seeds(seed=seed, condensation=evaluated.condensation, networks=networks)
            images = evaluated.images(own[turn])
            changed: dict[str, Any] = {
                "sizes": evaluated.sizes,
                "labels": None if images.soft_labels is None else choices["labels"],
                "seeds": 1,
                "seed": own[turn],
                "baselines": (),
            }
            try:
                evaluation = evaluate(images, data, **{**choices, **changed})
            except CondenseryError as error:
                raise type(error)(f"{evaluated.row}: {error}") from error
            for trial in evaluation.planned:
                trials.setdefault(trial.key, trial)
                keys.append((evaluated, trial.key))
    evaluation = Evaluation(tuple(trials.values()), known=_by_key(known).values())
    return Measurement(evaluation=evaluation, keys=tuple(keys))


def _by_key(observations: Iterable[Observation]) -> Mapping[Key, Observation]:
    """As ``evaluate`` would have found them: it knows no rows."""
    return {each.key: each for each in (replace(x, set=_SET) for x in observations)}
