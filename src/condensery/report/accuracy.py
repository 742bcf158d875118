"""Accuracy over size, as the page tells it: one comparison a network and protocol.

Averages trained networks, and keeps apart what must not be averaged: other architectures, other
protocols, other lengths of training. Knows nothing about pictures or HTML.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "Point", "compare", "recorded"]

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The accuracy at one size.

    Attributes:
        size: Images per class.
        mean: Over the networks, a fraction of 1.
        std: Sample deviation (n - 1) over the networks; ``None`` where there is one network.
        networks: How many were trained.
    """

    size: int
    mean: float
    std: float | None
    networks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Condensed and random images under one protocol with one architecture.

    Attributes:
        network: Architecture.
        protocol: Training recipe.
        epochs: Of the training, or ``None`` where ``steps`` is fixed or nothing is known.
        steps: Of the training, or ``None``.
        precision: Such as ``"fp32"``.
        ours: The condensed set, ascending by size.
        random: Random real images of the same sizes, ascending; empty if none were tested.
    """

    network: str
    protocol: str
    epochs: int | None
    steps: int | None
    precision: str
    ours: tuple[Point, ...]
    random: tuple[Point, ...]

    @property
    def length(self) -> str:
        """How long a network was trained, in words."""
        if self.steps is not None:
            return f"{self.steps:,} steps"
        if self.protocol == "kip":
            return "by regression, without training"
        return "length not recorded" if self.epochs is None else f"{self.epochs:,} epochs"

    @property
    def title(self) -> str:
        """Network, protocol and length."""
        words = [self.network, f"protocol {self.protocol}", self.length]
        return ", ".join(words if self.precision == "fp32" else [*words, self.precision])

    @property
    def fewest(self) -> int:
        """The smallest number of networks behind a point."""
        return min(point.networks for point in (*self.ours, *self.random))

    def at(self, size: int) -> tuple[Point | None, Point | None]:
        """Ours and random at a size."""
        ours, random = (
            next((point for point in points if point.size == size), None)
            for points in (self.ours, self.random)
        )
        return ours, random


def compare(observations: Iterable[Record]) -> tuple[Comparison, ...]:
    """Average the lines of ``observations.jsonl``.

    Args:
        observations: One record a trained network. Where one network was trained twice (the
            same set, size, seed and recipe), the later record counts.

    Returns:
        One comparison a network, protocol, length and precision, in order of appearance.
    """
    groups: dict[tuple[Any, ...], dict[tuple[str, int], dict[int, float]]] = {}
    for seen in observations:
        key = _key(seen, str(seen["network"]))
        point = (str(seen["set"]), int(seen["size"]))
        groups.setdefault(key, {}).setdefault(point, {})[int(seen["seed"])] = seen["accuracy"]
    return tuple(
        _comparison(key, lambda name, points=points: _averaged(points, name))
        for key, points in groups.items()
    )


def recorded(summaries: Iterable[Record]) -> tuple[Comparison, ...]:
    """The averages that a condensed-set file carries itself, for when the lines are not at hand.

    Args:
        summaries: The manifest's ``observations``.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in summaries:
        named = record.get("networks") or []
        network = ", ".join(map(str, named)) if isinstance(named, list) else str(named)
        groups.setdefault(_key(record, network or "network not recorded"), []).append(record)
    words = {"condensed": ("accuracy", "std"), "random": ("random", "random_std")}
    return tuple(
        _comparison(key, lambda name, records=records: _read(records, *words[name]))
        for key, records in groups.items()
    )


def _key(record: Record, network: str) -> tuple[Any, ...]:
    length = (record.get("epochs"), record.get("steps"))
    protocol = str(record.get("protocol", "not recorded"))
    return (network, protocol, *length, str(record.get("precision") or "fp32"))


def _comparison(key: tuple[Any, ...], points: Callable[[str], tuple[Point, ...]]) -> Comparison:
    network, protocol, epochs, steps, precision = key
    return Comparison(
        network=network,
        protocol=protocol,
        epochs=epochs,
        steps=steps,
        precision=precision,
        ours=points("condensed"),
        random=points("random"),
    )


def _averaged(
    points: Mapping[tuple[str, int], Mapping[int, float]], name: str
) -> tuple[Point, ...]:
    return tuple(
        _point(size, list(points[set_, size].values()))
        for set_, size in sorted(points)
        if set_ == name
    )


def _point(size: int, accuracies: Sequence[float]) -> Point:
    count = len(accuracies)
    mean = math.fsum(accuracies) / count
    if count < 2:
        return Point(size=size, mean=mean, std=None, networks=count)
    square = math.fsum((value - mean) ** 2 for value in accuracies)
    return Point(size=size, mean=mean, std=math.sqrt(square / (count - 1)), networks=count)


def _read(records: Sequence[Record], mean: str, std: str) -> tuple[Point, ...]:
    found: list[Point] = []
    for record in sorted(records, key=lambda record: record["size"]):
        if record.get(mean) is None:
            continue
        seeds = record.get("seeds") or 1
        count = len(seeds) if isinstance(seeds, list) else int(seeds)
        deviation = record.get(std) if count > 1 else None
        found.append(Point(size=record["size"], mean=record[mean], std=deviation, networks=count))
    return tuple(found)
