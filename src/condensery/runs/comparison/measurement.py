"""All networks of a comparison: for every set and size, with the same seeds for all rows.

Sets with equal images are evaluated once. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from condensery.averages import mean_if_known
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import CondenseryError
from condensery.evaluation import Evaluation, Observation, evaluate
from condensery.evaluation.observation import Key
from condensery.evaluation.summary import unlearned_text
from condensery.evaluation.trial import Trial
from condensery.parallel import THREADS, Pool

Accuracies = Mapping[str, Mapping[str, Mapping[int, Sequence[Sequence[float]]]]]
"""``{network: {row: {size: [condensation][network of it]}}}``, fractions of 1."""

_SET = "condensed"
"""The name of the condensed set in ``evaluate``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSet:
    """A set to be evaluated.

    Attributes:
        row: Name of its row.
        condensation: Index of the condensation, from 0.
        sizes: Images per class to evaluate.
        images: The training set of the networks of a seed; random real images are another set for
            every seed.
    """

    row: str
    condensation: int
    sizes: tuple[int, ...]
    images: Callable[[int], CondensedSet]


def network_seeds(*, seed: int, condensation: int, networks: int) -> range:
    """Seeds of the networks of a condensation, which differ between condensations."""
    first = seed + condensation * networks
    return range(first, first + networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The networks of a comparison.

    Attributes:
        evaluation: Every network once, those of the first seed first; iterate over it to train.
        keys: For every set, size, seed and network: the set, and the key of the observation.
    """

    evaluation: Evaluation
    keys: tuple[tuple[MeasuredSet, Key], ...]

    def named(self, observation: Observation) -> Observation:
        """The observation for the file, with the name of the first row that it belongs to."""
        names = {key: each.row for each, key in reversed(self.keys)}
        return replace(observation, set=names[observation.key])

    def unnamed(self, observation: Observation) -> Observation:
        """The observation before ``named``."""
        return replace(observation, set=_SET)

    def known(
        self, observations: Iterable[Observation]
    ) -> Iterator[tuple[MeasuredSet, Observation]]:
        """The trained ones of its networks, in the order of training, each with its set."""
        by_key = _by_key(observations)
        return ((each, by_key[key]) for each, key in self.keys if key in by_key)

    def accuracies(self, observations: Iterable[Observation], *, condensations: int) -> Accuracies:
        """The accuracies of observations in the order of training; unknown ones are left out."""
        sorted_: dict[str, dict[str, dict[int, list[list[float]]]]] = {}
        for evaluated, each in self.known(observations):
            sizes = sorted_.setdefault(each.network, {}).setdefault(evaluated.row, {})
            cells = sizes.setdefault(each.size, [[] for _ in range(condensations)])
            cells[evaluated.condensation].append(each.accuracy)
        return sorted_

    def unlearned(self, observations: Iterable[Observation]) -> Mapping[str, str]:
        """For each network, what it had not learned when it was tested (``unlearned_text``)."""
        shares: dict[str, dict[str, dict[int, list[float | None]]]] = {}
        for evaluated, each in self.known(observations):
            sizes = shares.setdefault(each.network, {}).setdefault(evaluated.row, {})
            sizes.setdefault(each.size, []).append(each.training_accuracy)
        return {
            network: unlearned_text(
                {
                    row: {size: mean_if_known(of) for size, of in sizes.items()}
                    for row, sizes in rows.items()
                }
            )
            for network, rows in shares.items()
        }


def measurement(
    sets: Sequence[MeasuredSet],
    data: Data,
    *,
    seed: int,
    choices: Mapping[str, Any],
    known: Iterable[Observation] = (),
    pool: Pool = THREADS,
) -> Measurement:
    """The networks to train with these arguments of ``evaluate``, without the known ones.

    Labels are used only for sets that have learned labels.

    Raises:
        ConfigError, DataError: As ``evaluate``; name the row.
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
    evaluation = Evaluation(tuple(trials.values()), known=_by_key(known).values(), pool=pool)
    return Measurement(evaluation=evaluation, keys=tuple(keys))


def _by_key(observations: Iterable[Observation]) -> Mapping[Key, Observation]:
    """The known observations with the names of ``evaluate``, which has no rows."""
    return {each.key: each for each in (replace(x, set=_SET) for x in observations)}
