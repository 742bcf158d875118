"""Means and sample deviations: the one place where accuracies are averaged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from condensery.formatting import plus_minus


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """The mean of some values, and how much they differ.

    Attributes:
        mean: Their mean; accuracies are fractions of 1.
        std: Their sample deviation (n - 1); ``None`` where there is one value.
        count: How many values there are: networks, or condensations.
    """

    mean: float
    std: float | None
    count: int

    def __str__(self) -> str:
        return plus_minus(self.mean, self.std)


def average(values: Iterable[float]) -> Average:
    """The mean and the sample deviation of at least one value."""
    values = tuple(values)
    std = stdev(values) if len(values) > 1 else None
    return Average(mean=fmean(values), std=std, count=len(values))


def mean_if_known(values: Iterable[float | None]) -> float | None:
    """The mean of values that are all known; ``None`` if one is not, or there are none."""
    values = tuple(values)
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def average_over_sizes(by_size: Iterable[Sequence[float]]) -> Average:
    """The average over several sizes, with the deviation of that average.

    Networks of one seed are averaged over the sizes first. The deviation is then that of the
    average, not the average of deviations.

    Args:
        by_size: For every size, one value per seed (or condensation), always in the same order.
    """
    return average(fmean(of_one_seed) for of_one_seed in zip(*by_size, strict=True))
