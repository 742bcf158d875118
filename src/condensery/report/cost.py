"""What a run took in CPU seconds, and what was gained by them, in sentences.

A run is evaluated only at its end, so its accuracy over CPU seconds is one point and no curve. The
course before the end is that of the distances to real images, which are measured during the run.
Knows nothing about pictures or HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from condensery.formatting import duration, points
from condensery.report.accuracy import AccuracyBySize, AccuracyPoint
from condensery.report.history import Distances


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds of a run.

    Attributes:
        experts: Of the training of its experts, also if another run trained them; 0 without any.
        at: At every measure of the distances: experts, initialisation and all updates until then.
    """

    experts: float
    at: tuple[float, ...]

    @property
    def total(self) -> float:
        """CPU seconds until the last measure."""
        return self.at[-1]


def cost_of(distances: Sequence[Distances], *, experts: float | None) -> Cost | None:
    """The cost of a run; ``None`` if it is not recorded at all measures.

    Args:
        distances: The measures of the run, in order.
        experts: CPU seconds of its experts; ``None`` if it has none.
    """
    before = experts or 0.0
    at = [before + each.cpu for each in distances if each.cpu is not None]
    return Cost(experts=before, at=tuple(at)) if at and len(at) == len(distances) else None


def spent(cost: Cost, distances: Sequence[Distances]) -> list[str]:
    """Sentences on the CPU time and on what its last half changed."""
    found = [f"Condensing took {duration(cost.total - cost.experts)} of CPU time"]
    if cost.experts:
        found[0] += f", and the training of its experts {duration(cost.experts)}"
    found[0] += "."
    half = (cost.experts + cost.total) / 2
    before = [each for x, each in zip(cost.at, distances, strict=True) if x <= half]
    if before:
        found.append(
            "The last half of the condensing changed the mean distance to real images from "
            f"{before[-1].mean:.2f} to {distances[-1].mean:.2f}."
        )
    return found


def gained(comparison: AccuracyBySize) -> str:
    """The mean difference to every baseline over the sizes that both were tested at; may be empty.

    A baseline that is better at some size, whatever the mean says, is named with these sizes.

    Args:
        comparison: The accuracies in one setting.
    """
    ours = {point.size: point.mean for point in comparison.ours}
    parts: list[str] = []
    better: list[str] = []
    for name, each in {"random": comparison.random, **comparison.baselines}.items():
        both = [point for point in each if point.size in ours]
        if both:
            parts.append(f"{_difference(ours, both)} over {name} images")
        sizes = [str(point.size) for point in both if point.mean > ours[point.size]]
        if sizes:
            better.append(f" But {name} images are better at size {', '.join(sizes)}.")
    if not parts:
        return ""
    listed = ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + parts[-1]
    return (
        f"The accuracy at its end, averaged over the tested sizes: {listed}, which need no "
        f"condensing ({comparison.title}).{''.join(better)}"
    )


def _difference(ours: dict[int, float], baseline: Sequence[AccuracyPoint]) -> str:
    gain = 100 * fmean(ours[point.size] - point.mean for point in baseline)
    return f"{points(gain)} points"
