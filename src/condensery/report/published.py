"""Accuracies in papers, in per cent as printed, for comparisons.

Every figure is of the full protocol with the resolution of the data set. If a paper quotes another
one, the source says so. There are only figures from sources that could be read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MDC = "He et al. 2024 (MDC)"
"""The source of every prefix."""

_KIP = "Nguyen et al. 2021 (KIP)"
_IDC = "Kim et al. 2022 (IDC), README of the code"
_DC = "Zhao et al. 2021, 2023 (DC, DSA, DM), README of the code"
_PAD = "PAD (arXiv 2408.03360), quoting others"
_OWN_PAD = "Li et al. 2024 (PAD), README of the code"
_INFO = "InfoUtil, quoting others"
_PALETTE = "AutoPalette, quoting others"

_DANCE = "Zhang et al. 2024 (DANCE), README of the code"
_TGDD = "notes on Ran et al. 2026 (TGDD), not seen in the paper"
_NCFM = "Wang et al. 2025 (NCFM), Table 1"

_TEN = tuple(range(1, 11))
_FIFTY = (*_TEN, 20, 30, 40, 50)
_TWENTY = (*_TEN, 15, 20)
_USUAL = (1, 10, 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigures:
    """The figures of one source for one row.

    Attributes:
        accuracy: ``{images per class: percent}``.
        source: The paper that printed them.
        averages: ``{sizes: percent}``, if only the mean over these sizes is known.
    """

    accuracy: Mapping[int, float]
    source: str
    averages: Mapping[tuple[int, ...], float] = field(default_factory=dict[tuple[int, ...], float])

    def says_something(self, sizes: Sequence[int]) -> bool:
        """Whether a figure at one of these sizes is known, or the average over them."""
        known = any(size in self.accuracy for size in sizes)
        return known or self.average(sizes) is not None

    def average(self, sizes: Sequence[int]) -> float | None:
        """The mean over these sizes, in percent; ``None`` if it is unknown."""
        if all(size in self.accuracy for size in sizes):
            return math.fsum(self.accuracy[size] for size in sizes) / len(sizes)
        return self.averages.get(tuple(sizes))


def published(data: str, row: str, *, ipc: int) -> PublishedFigures | None:
    """The figures of a row such as ``"mdc"``, ``"a"`` or ``"random"``; ``None`` if unknown.

    The prefixes of a set depend on ``ipc``, its images per class; selections do not.
    """
    sizes = {10: _TEN, 20: _TWENTY, 50: _FIFTY}.get(ipc, ())
    prefixes = _PREFIXES.get((data, ipc), {})
    by_size = prefixes.get("c" if row == "idc" else row)  # c is idc, cut
    if by_size is not None:
        return PublishedFigures(accuracy=dict(zip(sizes, by_size, strict=True)), source=MDC)
    average = _AVERAGES.get((data, ipc), {}).get(row)
    if average is not None:
        return PublishedFigures(accuracy={}, source=MDC, averages={sizes: average})
    if row in _ANY_SIZE:  # a larger selection extends a smaller one
        return _single(data, row)
    whole = _single(data, row)
    if whole is None or ipc not in whole.accuracy:
        return None
    return PublishedFigures(accuracy={ipc: whole.accuracy[ipc]}, source=whole.source)


def known(data: str, *, ipc: int) -> dict[str, PublishedFigures]:
    """All figures for a data set and size: ``{row: figures}``."""
    names = dict.fromkeys([*_PREFIXES.get((data, ipc), {}), *_SINGLE.get(data, {})])
    found = {name: published(data, name, ipc=ipc) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def _single(data: str, row: str) -> PublishedFigures | None:
    found = _SINGLE.get(data, {}).get(row)
    return None if found is None else PublishedFigures(accuracy=found[0], source=found[1])


def _usual(*accuracies: float) -> Mapping[int, float]:
    """At 1, 10 and 50 images per class, or the first of these."""
    return dict(zip(_USUAL, accuracies, strict=False))


_ANY_SIZE = ("random", "herding", "k-center", "forgetting")

_PREFIXES: Mapping[tuple[str, int], Mapping[str, Sequence[float]]] = {
    ("svhn", 10): {
        "a": (68.50, 75.27, 79.55, 81.85, 83.33, 84.53, 85.66, 86.05, 86.25, 87.50),
        "b": (68.50, 71.65, 71.27, 71.92, 73.28, 70.74, 71.83, 71.08, 71.97, 71.55),
        "c": (35.48, 51.55, 60.42, 67.97, 74.38, 77.65, 81.70, 83.86, 85.96, 87.50),
        "mdc": (63.26, 67.91, 72.15, 74.09, 77.54, 78.17, 80.92, 82.82, 84.27, 86.38),
    },
    ("cifar10", 10): {
        "a": (50.80, 54.85, 59.79, 61.84, 62.49, 64.59, 65.53, 66.33, 66.82, 67.50),
        "b": (50.80, 53.17, 55.09, 56.17, 55.80, 56.98, 57.60, 57.78, 58.22, 58.38),
        "c": (27.49, 38.50, 45.29, 50.85, 53.60, 57.98, 60.99, 63.60, 65.71, 67.50),
        "mdc": (49.55, 53.75, 56.39, 59.33, 58.13, 60.62, 62.06, 63.59, 65.25, 66.79),
        "dc": (15.35, 19.75, 22.54, 26.28, 30.37, 33.99, 36.36, 39.83, 42.68, 44.90),
        "dsa": (16.76, 21.22, 26.78, 30.18, 33.43, 38.15, 41.18, 45.37, 49.21, 52.10),
        "mtt": (18.80, 24.90, 31.90, 38.10, 43.20, 49.20, 51.60, 56.30, 58.50, 62.80),
        "dream": (32.52, 39.57, 48.21, 53.84, 55.25, 60.46, 63.27, 65.04, 67.40, 69.40),
    },
    ("cifar100", 10): {
        "a": (28.90, 34.28, 37.35, 39.13, 41.15, 42.65, 43.62, 44.48, 45.07, 45.40),
        "b": (28.90, 30.63, 31.64, 31.76, 32.61, 32.85, 33.03, 33.04, 33.32, 33.39),
        "c": (14.38, 21.76, 28.01, 32.21, 35.27, 39.09, 40.92, 42.69, 44.28, 45.40),
        "mdc": (27.58, 31.83, 33.59, 35.42, 36.93, 38.95, 40.70, 42.05, 43.86, 44.34),
    },
    ("svhn", 50): {
        "a": (
            *(68.50, 75.27, 79.55, 81.85, 83.33, 84.53, 85.66, 86.05, 86.25, 87.50),
            *(89.54, 90.27, 91.09, 91.38),
        ),
        "c": (
            *(34.90, 46.52, 52.23, 56.30, 62.25, 65.34, 68.84, 69.57, 71.95, 74.69),
            *(83.73, 87.83, 89.73, 91.38),
        ),
        "mdc": (
            *(58.77, 67.72, 69.33, 72.26, 75.02, 73.71, 74.50, 74.63, 76.21, 76.87),
            *(83.67, 87.08, 89.46, 91.39),
        ),
    },
    ("cifar10", 50): {
        "a": (
            *(50.80, 54.85, 59.79, 61.84, 62.49, 64.59, 65.53, 66.33, 66.82, 67.50),
            *(70.82, 72.86, 74.30, 75.07),
        ),
        "c": (
            *(27.87, 35.69, 41.93, 45.29, 47.54, 51.96, 53.51, 55.59, 56.62, 58.26),
            *(66.77, 70.50, 72.98, 74.50),
        ),
        "mdc": (
            *(47.83, 52.18, 56.29, 58.52, 58.75, 60.67, 61.90, 62.74, 62.32, 62.64),
            *(66.88, 70.02, 72.91, 74.56),
        ),
        "dc": (
            *(16.32, 18.77, 21.24, 21.42, 23.32, 23.63, 25.35, 27.40, 27.93, 28.00),
            *(36.53, 42.82, 48.90, 53.90),
        ),
        "dsa": (
            *(12.50, 15.19, 19.69, 22.02, 23.28, 24.79, 25.62, 27.84, 29.57, 32.51),
            *(40.94, 48.05, 54.24, 60.60),
        ),
        "mtt": (
            *(15.13, 23.92, 26.53, 30.30, 32.71, 35.54, 34.12, 40.60, 43.43, 45.99),
            *(60.41, 67.68, 69.71, 71.60),
        ),
        "dream": (
            *(27.57, 36.57, 43.50, 47.35, 49.81, 53.38, 54.58, 56.78, 58.91, 60.10),
            *(68.07, 70.48, 72.79, 74.80),
        ),
    },
    ("cifar100", 50): {
        "a": (
            *(28.90, 34.28, 37.35, 39.13, 41.15, 42.65, 43.62, 44.48, 45.07, 45.40),
            *(49.50, 52.28, 52.54, 53.47),
        ),
        "c": (
            *(12.66, 18.35, 23.76, 26.92, 29.12, 32.23, 34.21, 35.71, 37.18, 38.25),
            *(45.67, 49.60, 52.36, 53.47),
        ),
        "mdc": (
            *(26.34, 29.71, 31.74, 32.95, 34.49, 36.36, 38.49, 39.59, 40.43, 41.35),
            *(46.06, 49.40, 51.72, 53.67),
        ),
    },
    ("imagenet-10", 20): {
        "a": (60.40, 63.87, 67.40, 68.80, 71.33, 70.60, 70.47, 71.93, 72.87, 72.80, 75.50, 76.60),
        "mdc": (55.87, 61.60, 63.40, 64.40, 63.80, 67.73, 67.13, 70.07, 71.07, 71.13, 76.0, 79.2),
    },
}
"""``{(data, N): {row: accuracy of each size}}``: prefixes, tested by the protocol of IDC."""

_AVERAGES: Mapping[tuple[str, int], Mapping[str, float]] = {("imagenet-10", 20): {"c": 66.58}}
"""``{(data, N): {row: mean over the sizes}}``, if the single sizes are unknown."""

_SINGLE: Mapping[str, Mapping[str, tuple[Mapping[int, float], str]]] = {
    "cifar10": {
        "random": (_usual(14.4, 26.0, 43.4), _INFO),
        "herding": (_usual(21.5, 31.6, 40.4), _INFO),
        "k-center": (_usual(23.3, 36.4, 48.7), _PALETTE),
        "forgetting": (_usual(13.5, 23.3, 23.3), _INFO),
        "dc": (_usual(28.3, 44.9, 53.9), _DC),
        "dsa": (_usual(28.8, 52.1, 60.6), _DC),
        "dm": (_usual(26.0, 48.9, 63.0), _PAD),
        "kip": (_usual(50.0, 62.7, 68.4), _KIP),
        "mtt": (_usual(46.3, 65.3, 71.6), _PALETTE),
        "datm": (_usual(46.9, 66.8, 76.1), _PAD),
        "pad": (_usual(47.2, 67.4, 77.0), _OWN_PAD),
        "frepo": (_usual(46.8, 65.5, 71.7), _PAD),
        "idc": (_usual(50.6, 67.5, 74.5), _IDC),
        "dance": (_usual(47.1, 70.8, 76.1), _DANCE),
        "tgdd": ({10: 71.9, 50: 76.5}, _TGDD),
        "ncfm": (_usual(49.5, 71.8, 77.4), _NCFM),
    },
    "cifar100": {
        "random": (_usual(4.2, 14.6, 30.0), _INFO),
        "herding": (_usual(8.4, 17.3, 33.7), _INFO),
        "k-center": (_usual(8.6, 20.7, 33.6), _PALETTE),
        "forgetting": (_usual(4.5, 15.1, 30.5), _INFO),
        "dc": (_usual(12.8, 25.2), _DC),
        "dsa": (_usual(13.9, 32.3), _DC),
        "dm": (_usual(11.4, 29.7, 43.6), _PAD),
        "kip": (_usual(15.8, 28.3), _KIP),
        "mtt": (_usual(24.3, 40.1, 47.7), _PALETTE),
        "datm": (_usual(27.9, 47.2, 55.0), _PAD),
        "pad": (_usual(28.4, 47.8, 55.9), _OWN_PAD),
        "frepo": ({1: 28.7, 10: 42.5, 50: 44.3}, _PAD),
        "idc": ({10: 45.1, 20: 49.0}, _IDC),
        "dance": (_usual(27.9, 49.8, 52.8), _DANCE),
        "tgdd": ({10: 51.3, 50: 54.6}, _TGDD),
        "ncfm": (_usual(34.4, 48.7, 54.7), _NCFM),
    },
    "mnist": {
        "dc": (_usual(91.7, 97.4, 98.8), _DC),
        "dsa": (_usual(88.7, 97.8, 99.2), _DC),
        "kip": (_usual(90.1, 97.5, 98.4), _KIP),
        "idc": (_usual(94.2, 98.4, 99.1), _IDC),
    },
    "fashion-mnist": {
        "dc": (_usual(70.5, 82.3, 83.6), _DC),
        "dsa": (_usual(70.6, 84.6, 88.7), _DC),
        "kip": (_usual(73.8, 86.8, 87.8), _KIP),
        "idc": (_usual(81.0, 86.0, 86.2), _IDC),
        "dance": (_usual(81.5, 86.3, 86.9), _DANCE),
    },
    "svhn": {
        "dc": (_usual(31.2, 76.1, 82.3), _DC),
        "dsa": (_usual(27.5, 79.2, 84.4), _DC),
        "kip": (_usual(57.4, 75.1, 80.4), _KIP),
        "idc": (_usual(68.5, 87.5, 90.1), _IDC),
    },
    "imagenet-10": {"idc": ({10: 72.8, 20: 76.6}, _IDC)},
}
"""``{data: {row: ({N: accuracy at N}, source)}}``: a separate set of the method for each size."""
