"""Accuracy over size, for each network, protocol, length and precision.

Trained networks are averaged only if all of these are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from condensery.averages import average, mean_if_known
from condensery.evaluation.observation import WHOLE
from condensery.evaluation.protocol import hard_name
from condensery.evaluation.summary import whole_accuracies

Record = Mapping[str, Any]

Key = tuple[str, str, int | None, int | None, str]
"""Network, protocol, epochs, steps, precision: only accuracies with equal keys are compared."""

_OURS, _RANDOM = "condensed", "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyPoint:
    """The accuracy at one size.

    Attributes:
        size: Images per class.
        mean: Mean over the networks, a fraction of 1.
        std: Sample deviation (n - 1) over the networks; ``None`` for one network.
        networks: Number of networks.
        by_seed: ``{seed: accuracy}``; empty if only the mean is known.
        seconds: Median wall time of training and testing a network, if known.
        training_accuracy: Mean of ``Observation.training_accuracy``, if known of all networks.
    """

    size: int
    mean: float
    std: float | None
    networks: int
    by_seed: Mapping[int, float] = field(default_factory=dict[int, float], compare=False)
    seconds: float | None = field(default=None, compare=False)
    training_accuracy: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAccuracy:
    """The accuracy after training on all real images.

    Attributes:
        mean: Mean over the networks, a fraction of 1.
        std: Sample deviation (n - 1) over the networks; ``None`` for one network.
        networks: Number of networks.
        images: Number of training images.
        steps: Optimiser steps of a training.
    """

    mean: float
    std: float | None
    networks: int
    images: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyBySize:
    """Accuracies of the condensed set and of baselines by one protocol and architecture.

    Attributes:
        network: Architecture.
        protocol: Name of the protocol.
        epochs: Epochs of the training, or ``None`` if ``steps`` is given or nothing is known.
        steps: Steps of the training, or ``None``.
        precision: Such as ``"fp32"``.
        ours: The condensed set, ascending by size.
        random: Random real images of the same sizes, ascending; empty if none were tested.
        baselines: Other baselines by name, each ascending.
        whole: The same network after training on all real images, if that was tested.
    """

    network: str
    protocol: str
    epochs: int | None
    steps: int | None
    precision: str
    ours: tuple[AccuracyPoint, ...]
    random: tuple[AccuracyPoint, ...]
    baselines: Mapping[str, tuple[AccuracyPoint, ...]] = field(
        default_factory=dict[str, tuple[AccuracyPoint, ...]]
    )
    whole: WholeAccuracy | None = None

    @property
    def key(self) -> Key:
        """The key that must be equal for a comparison of accuracies."""
        return (self.network, self.protocol, self.epochs, self.steps, self.precision)

    @property
    def training(self) -> str:
        """Protocol, length and precision in words: ``title`` without the network."""
        return training_of(self.key)

    @property
    def title(self) -> str:
        """Network, protocol and length."""
        return f"{self.network}, {self.training}"

    @property
    def points(self) -> tuple[AccuracyPoint, ...]:
        """The points of all sets."""
        others = (point for points in self.baselines.values() for point in points)
        return (*self.ours, *self.random, *others)

    def at(self, size: int) -> tuple[AccuracyPoint | None, AccuracyPoint | None]:
        """The points of the condensed set and of random images at a size."""
        ours, random = (
            next((point for point in points if point.size == size), None)
            for points in (self.ours, self.random)
        )
        return ours, random


def training_of(key: Key) -> str:
    """Protocol, length and precision in words."""
    _, protocol, epochs, steps, precision = key
    if steps is not None:
        length = f"{steps:,} steps"
    elif protocol == "kip":
        length = "by regression, without training"
    else:
        length = "length not recorded" if epochs is None else f"{epochs:,} epochs"
    words = [f"protocol {protocol}", length]
    return ", ".join(words if precision == "fp32" else [*words, precision])


def compare(observations: Iterable[Record]) -> tuple[AccuracyBySize, ...]:
    """Average the lines of ``observations.jsonl``.

    Args:
        observations: One record for each trained network. If a network was trained twice (the same
            set, size, seed and protocol), the later record is used.

    Returns:
        One result for each network, protocol, length and precision, in order of appearance.
    """
    observations = list(observations)
    groups: dict[Key, dict[str, dict[int, dict[int, Record]]]] = {}
    for record in observations:
        if record["set"] == WHOLE:
            continue
        sets = groups.setdefault(_key(record, str(record["network"])), {})
        points = sets.setdefault(str(record["set"]), {}).setdefault(int(record["size"]), {})
        points[int(record["seed"])] = record
    whole = whole_accuracies(observations)
    return tuple(
        _comparison(
            key,
            {name: _averaged(points) for name, points in sets.items()},
            _whole(whole.get((key[0], hard_name(key[1]), key[4]))),
        )
        for key, sets in groups.items()
    )


def recorded(summaries: Iterable[Record]) -> tuple[AccuracyBySize, ...]:
    """The averages in a condensed file, which are used if there are no observations."""
    groups: dict[Key, list[Record]] = {}
    for record in summaries:
        named = record.get("networks") or []
        network = ", ".join(map(str, named)) if isinstance(named, list) else str(named)
        groups.setdefault(_key(record, network or "network not recorded"), []).append(record)
    return tuple(
        _comparison(
            key,
            _read(records),
            _whole(next((each["whole"] for each in records if each.get("whole")), None)),
        )
        for key, records in groups.items()
    )


def _whole(record: Record | None) -> WholeAccuracy | None:
    if record is None:
        return None
    return WholeAccuracy(
        mean=record["accuracy"],
        std=record["std"],
        networks=record["seeds"],
        images=record["images"],
        steps=record["steps"],
    )


def _key(record: Record, network: str) -> Key:
    protocol = str(record.get("protocol", "not recorded"))
    precision = str(record.get("precision") or "fp32")
    return (network, protocol, record.get("epochs"), record.get("steps"), precision)


def _comparison(
    key: Key, sets: Mapping[str, tuple[AccuracyPoint, ...]], whole: WholeAccuracy | None
) -> AccuracyBySize:
    network, protocol, epochs, steps, precision = key
    return AccuracyBySize(
        network=network,
        protocol=protocol,
        epochs=epochs,
        steps=steps,
        precision=precision,
        ours=sets.get(_OURS, ()),
        random=sets.get(_RANDOM, ()),
        baselines={name: each for name, each in sets.items() if name not in (_OURS, _RANDOM)},
        whole=whole,
    )


def _averaged(points: Mapping[int, Mapping[int, Record]]) -> tuple[AccuracyPoint, ...]:
    return tuple(_point(size, points[size]) for size in sorted(points))


def _point(size: int, records: Mapping[int, Record]) -> AccuracyPoint:
    by_seed = {seed: float(records[seed]["accuracy"]) for seed in sorted(records)}
    accuracy = average(by_seed.values())
    took = [float(record["seconds"]) for record in records.values() if record.get("seconds")]
    seconds = median(took) if took else None
    return AccuracyPoint(
        size=size,
        mean=accuracy.mean,
        std=accuracy.std,
        networks=accuracy.count,
        by_seed=by_seed,
        seconds=seconds,
        training_accuracy=mean_if_known(each.get("training_accuracy") for each in records.values()),
    )


def _read(records: Sequence[Record]) -> dict[str, tuple[AccuracyPoint, ...]]:
    found: dict[str, list[AccuracyPoint]] = {}
    for record in sorted(records, key=lambda record: record["size"]):
        seeds = record.get("seeds") or 1
        count = len(seeds) if isinstance(seeds, list) else int(seeds)
        sets = {
            _OURS: (record.get("accuracy"), record.get("std")),
            _RANDOM: (record.get("random"), record.get("random_std")),
        }
        for name, other in (record.get("baselines") or {}).items():
            sets[name] = (other.get("accuracy"), other.get("std"))
        for name, (mean, std) in sets.items():
            if mean is not None:
                deviation = std if count > 1 else None
                point = AccuracyPoint(
                    size=record["size"],
                    mean=mean,
                    std=deviation,
                    networks=count,
                    training_accuracy=record.get("training_accuracy") if name == _OURS else None,
                )
                found.setdefault(name, []).append(point)
    return {name: tuple(points) for name, points in found.items()}
