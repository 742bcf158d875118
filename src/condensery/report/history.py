"""The history of a run: losses, sizes that were chosen and frozen, distances to real images.

A long run has more lines than a picture has columns, so lines are grouped into at most 300 bins.
Knows nothing about pictures or HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_BINS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class LossBin:
    """The losses of neighbouring image updates."""

    at: float  # outer iterations done, the middle of the bin
    mean: float  # of the loss
    low: float  # its smallest value
    high: float  # its largest value


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceSpan:
    """Neighbouring outer iterations with the same chosen and frozen sizes.

    Attributes:
        first: First outer iteration.
        last: Last outer iteration.
        subset: Smallest and largest matched size besides the full set, or ``None``.
        frozen: Smallest and largest number of frozen images per class.
    """

    first: int
    last: int
    subset: tuple[int, int] | None
    frozen: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The history of a run.

    Attributes:
        updates: Number of recorded image updates.
        iterations: Number of started outer iterations.
        inner: Largest number of image updates in an iteration.
        total: The sum of the losses of all sizes, without losses that are not finite.
        full: The loss of the full set; empty if it is the only loss.
        spans: The spans in order.
    """

    updates: int
    iterations: int
    inner: int
    total: tuple[LossBin, ...]
    full: tuple[LossBin, ...]
    spans: tuple[ChoiceSpan, ...]

    @property
    def chooses(self) -> bool:
        """Whether any smaller size was matched besides the full set."""
        return any(span.subset is not None for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """The distances of the images of all sizes to real images, at one time of the run.

    Attributes:
        at: Number of outer iterations, with a fraction for a started one.
        mean: Geometric mean of ``relative``.
        relative: Distance of mean features to real images for each size from 1; random images of
            this size have 1, and smaller is better.
        cpu: CPU seconds of the run until then, without its experts; ``None`` if not recorded.
    """

    at: float
    mean: float
    relative: tuple[float, ...]
    cpu: float | None = None


def distances_of(proxy: Iterable[Mapping[str, Any]], *, inner: int) -> tuple[Distances, ...]:
    """The measures of a run, in order.

    Args:
        proxy: Lines of ``proxy.jsonl``: ``outer``, ``beyond``, ``mean``, ``relative``, ``cpu``.
        inner: Image updates in an iteration.
    """
    return tuple(
        Distances(
            at=int(line["outer"]) + int(line.get("beyond") or 0) / inner,
            mean=float(line["mean"]),
            relative=tuple(line["relative"]),
            cpu=line.get("cpu"),
        )
        for line in proxy
    )


def history_of(metrics: Sequence[Mapping[str, Any]]) -> History | None:
    """Read the history of a run; ``None`` if nothing was recorded.

    Args:
        metrics: Lines in order: ``outer``, ``inner``, ``loss``, ``losses`` by size
            (the full set first), ``subset`` (sizes, or texts such as ``"3-7"`` if classes
            differ), ``frozen``.
    """
    if not metrics:
        return None
    steps = 1 + max(int(line.get("inner") or 0) for line in metrics)
    positions = [
        int(line["outer"]) + (int(line.get("inner") or 0) + 0.5) / steps for line in metrics
    ]
    parts = [line.get("losses") or {} for line in metrics]
    several = any(len(losses) > 1 for losses in parts)
    full = [next(iter(losses.values()), None) for losses in parts] if several else []
    return History(
        updates=len(metrics),
        iterations=1 + max(int(line["outer"]) for line in metrics),
        inner=steps,
        total=_binned(positions, [line.get("loss") for line in metrics]),
        full=_binned(positions, full) if full else (),
        spans=_spans(metrics),
    )


def _binned(positions: Sequence[float], losses: Sequence[Any]) -> tuple[LossBin, ...]:
    finite = [
        (at, float(loss)) for at, loss in zip(positions, losses, strict=True) if _finite(loss)
    ]
    bins: list[LossBin] = []
    width = math.ceil(len(finite) / _BINS) if finite else 1
    for start in range(0, len(finite), width):
        part = finite[start : start + width]
        values = [loss for _, loss in part]
        at = math.fsum(at for at, _ in part) / len(part)
        mean = math.fsum(values) / len(values)
        bins.append(LossBin(at=at, mean=mean, low=min(values), high=max(values)))
    return tuple(bins)


def _spans(metrics: Iterable[Mapping[str, Any]]) -> tuple[ChoiceSpan, ...]:
    spans: list[ChoiceSpan] = []
    for line in metrics:
        outer, subset = int(line["outer"]), _range(line.get("subset"))
        frozen = _range(line.get("frozen")) or (0, 0)
        if spans and (spans[-1].subset, spans[-1].frozen) == (subset, frozen):
            first = spans.pop().first
        else:
            first = outer
        spans.append(ChoiceSpan(first=first, last=outer, subset=subset, frozen=frozen))
    return tuple(spans)


def _range(sizes: Sequence[int | str] | None) -> tuple[int, int] | None:
    """Smallest and largest of sizes that are numbers or texts such as ``"3-7"``."""
    found = [int(part) for size in sizes or () for part in str(size).split("-")]
    return (min(found), max(found)) if found else None


def _finite(loss: object) -> bool:
    return isinstance(loss, (int, float)) and math.isfinite(loss)
