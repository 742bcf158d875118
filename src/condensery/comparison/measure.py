"""All networks that a comparison trains: every set, every size, the same seeds for everybody.

Sets that hold the same images are tested once. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from condensery.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import CondenseryError
from condensery.evaluation import Evaluation, Observation, evaluate
from condensery.evaluation.observation import Key
from condensery.evaluation.trial import Trial

__all__ = ["Accuracies", "Measurement", "Subject", "measurement", "network_seeds"]

Accuracies = Mapping[str, Mapping[str, Mapping[int, Sequence[Sequence[float]]]]]
"""``{network: {contender: {size: [condensation][network of it]}}}``, fractions of 1."""

_SET = "condensed"
"""What ``evaluate`` calls the set it is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A set to be tested.

    Attributes:
        contender: Name of its row.
        condensation: Which of the condensations, from 0.
        sizes: Images per class to test.
        images: The set that the networks of a seed are trained on; random real images are
            another set for every seed.
    """

    contender: str
    condensation: int
    sizes: tuple[int, ...]
    images: Callable[[int], CondensedSet]


def network_seeds(*, seed: int, condensation: int, networks: int) -> range:
    """Seeds of the networks that test a condensation: others for every condensation."""
    first = seed + condensation * networks
    return range(first, first + networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The networks of a comparison.

    Attributes:
        evaluation: Every network once, those of the first seed first; iterate to train.
        asked: For every subject, size, seed and network: whose it is and which network.
    """

    evaluation: Evaluation
    asked: tuple[tuple[Subject, Key], ...]

    def named(self, observation: Observation) -> Observation:
        """The observation as it is kept: under the name of the first contender it is of."""
        names = {key: subject.contender for subject, key in reversed(self.asked)}
        return replace(observation, set=names[observation.key])

    def as_asked(self, observation: Observation) -> Observation:
        """What ``named`` was given."""
        return replace(observation, set=_SET)

    def accuracies(self, seen: Iterable[Observation], *, condensations: int) -> Accuracies:
        """Sort what was seen, in the order of training; what is not known is left out."""
        known = _by_key(seen)
        found: dict[str, dict[str, dict[int, list[list[float]]]]] = {}
        for subject, key in self.asked:
            if key not in known:
                continue
            each = known[key]
            sizes = found.setdefault(each.network, {}).setdefault(subject.contender, {})
            cells = sizes.setdefault(each.size, [[] for _ in range(condensations)])
            cells[subject.condensation].append(each.accuracy)
        return found


def measurement(
    subjects: Sequence[Subject],
    data: Data,
    *,
    seed: int,
    choices: Mapping[str, Any],
    known: Iterable[Observation] = (),
) -> Measurement:
    """What is to be trained.

    Args:
        subjects: Sets, at least one.
        data: To test on.
        seed: The first seed.
        choices: Arguments of ``evaluate``: networks, seeds, protocol, labels and lengths.
            Labels concern only sets that have learned some.
        known: Lines of ``observations.jsonl``; they need not be made again.

    Raises:
        ConfigError, DataError: As ``evaluate``, naming the contender.
    """
    networks = int(choices["seeds"])
    trials: dict[Key, Trial] = {}
    asked: list[tuple[Subject, Key]] = []
    for turn in range(networks):
        for subject in subjects:
            own = network_seeds(seed=seed, condensation=subject.condensation, networks=networks)
            images = subject.images(own[turn])
            changed: dict[str, Any] = {
                "sizes": subject.sizes,
                "labels": None if images.soft_labels is None else choices["labels"],
                "seeds": 1,
                "seed": own[turn],
                "beside": (),
            }
            try:
                evaluation = evaluate(images, data, **{**choices, **changed})
            except CondenseryError as error:
                raise type(error)(f"{subject.contender}: {error}") from error
            for trial in evaluation.planned:
                trials.setdefault(trial.key, trial)
                asked.append((subject, trial.key))
    evaluation = Evaluation(tuple(trials.values()), known=_by_key(known).values())
    return Measurement(evaluation=evaluation, asked=tuple(asked))


def _by_key(seen: Iterable[Observation]) -> Mapping[Key, Observation]:
    """As ``evaluate`` would have found them: it knows no contenders."""
    return {each.key: each for each in (replace(x, set=_SET) for x in seen)}
