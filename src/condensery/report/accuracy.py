"""Accuracy over size: one comparison for each network, protocol, length and precision.

Trained networks are averaged only where all of these are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from condensery.averages import average

Record = Mapping[str, Any]

Key = tuple[str, str, int | None, int | None, str]
"""Network, protocol, epochs, steps, precision: accuracies of two keys are not to be compared."""

_OURS, _RANDOM = "condensed", "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyPoint:
    """The accuracy at one size.

    Attributes:
        size: Images per class.
        mean: Over the networks, a fraction of 1.
        std: Sample deviation (n - 1) over the networks; ``None`` where there is one network.
        networks: How many were trained.
        by_seed: ``{seed: accuracy}``; empty where only the mean is known.
        seconds: Median wall time of training and testing one of them, if known.
    """

    size: int
    mean: float
    std: float | None
    networks: int
    by_seed: Mapping[int, float] = field(default_factory=dict[int, float], compare=False)
    seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyBySize:
    """Condensed and random images under one protocol with one architecture.

    Attributes:
        network: Architecture.
        protocol: Training recipe.
        epochs: Of the training, or ``None`` where ``steps`` is fixed or nothing is known.
        steps: Of the training, or ``None``.
        precision: Such as ``"fp32"``.
        ours: The condensed set, ascending by size.
        random: Random real images of the same sizes, ascending; empty if none were tested.
        baselines: Other sets by name, such as selections and baselines, each ascending.
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

    @property
    def key(self) -> Key:
        """What must be equal for accuracies to be compared."""
        return (self.network, self.protocol, self.epochs, self.steps, self.precision)

    @property
    def training(self) -> str:
        """Protocol, length and precision in words: all of ``title`` but the network."""
        return training_of(self.key)

    @property
    def title(self) -> str:
        """Network, protocol and length."""
        return f"{self.network}, {self.training}"

    @property
    def points(self) -> tuple[AccuracyPoint, ...]:
        """Of all sets."""
        others = (point for points in self.baselines.values() for point in points)
        return (*self.ours, *self.random, *others)

    def at(self, size: int) -> tuple[AccuracyPoint | None, AccuracyPoint | None]:
        """Ours and random at a size."""
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
        observations: One record a trained network. Where one network was trained twice (the
            same set, size, seed and recipe), the later record counts.

    Returns:
        One comparison a network, protocol, length and precision, in order of appearance.
    """
    groups: dict[Key, dict[str, dict[int, dict[int, Record]]]] = {}
    for record in observations:
        sets = groups.setdefault(_key(record, str(record["network"])), {})
        points = sets.setdefault(str(record["set"]), {}).setdefault(int(record["size"]), {})
        points[int(record["seed"])] = record
    return tuple(
        _comparison(key, {name: _averaged(points) for name, points in sets.items()})
        for key, sets in groups.items()
    )


def recorded(summaries: Iterable[Record]) -> tuple[AccuracyBySize, ...]:
    """The averages that a condensed-set file carries itself, for when the lines are not at hand."""
    groups: dict[Key, list[Record]] = {}
    for record in summaries:
        named = record.get("networks") or []
        network = ", ".join(map(str, named)) if isinstance(named, list) else str(named)
        groups.setdefault(_key(record, network or "network not recorded"), []).append(record)
    return tuple(_comparison(key, _read(records)) for key, records in groups.items())


def _key(record: Record, network: str) -> Key:
    protocol = str(record.get("protocol", "not recorded"))
    precision = str(record.get("precision") or "fp32")
    return (network, protocol, record.get("epochs"), record.get("steps"), precision)


def _comparison(key: Key, sets: Mapping[str, tuple[AccuracyPoint, ...]]) -> AccuracyBySize:
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
                point = AccuracyPoint(size=record["size"], mean=mean, std=deviation, networks=count)
                found.setdefault(name, []).append(point)
    return {name: tuple(points) for name, points in found.items()}
