"""Maximum mean discrepancy: synthetic and real features should agree in all moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.objectives.base import FeatureComparison, FeatureObjective
from condensery.errors import ConfigError
from condensery.placed import on, positions
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext


@register("objective", "m3d")
@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMMD(FeatureObjective):
    """Squared maximum mean discrepancy of features with a sum of Gaussian kernels, for each class.

    If ``d`` is the distance of two feature vectors, the kernel is the sum over ``k`` of
    ``exp(-d^2 / (width 2^k))``. The width of a set is the mean of ``d^2`` over different vectors of
    the set and of the real images; it has no gradient.

    Attributes:
        widths: Number of kernels, odd; ``k`` goes from ``-(widths - 1) / 2`` to
            ``(widths - 1) / 2`` (paper: 5).

    Source:
        Zhang et al. 2024 (M3D), the released loss with Gaussian kernels. Differs: none.
    """

    widths: int = 5

    def __post_init__(self) -> None:
        if self.widths < 1 or self.widths % 2 == 0:
            raise ConfigError(f"objective.widths = {self.widths}, but it is an odd number from 1.")

    def comparison(self, context: StepContext) -> FeatureComparison:
        """See ``FeatureObjective.comparison``; nothing is drawn."""
        del context
        return _Kernels(self.widths)


class _Kernels:
    def __init__(self, widths: int) -> None:
        self._factors = [2.0**k for k in range(-(widths // 2), widths // 2 + 1)]

    def target(self, features: Tensor) -> Tensor:
        """See ``FeatureComparison.target``: all features."""
        return features

    def losses(
        self, features: Tensor, examples: Examples, groups: Groups, targets: Sequence[Tensor]
    ) -> Tensor:
        """See ``FeatureComparison.losses``; all sets of a class share their distances."""
        found: dict[int, Tensor] = {}
        for class_ in groups.class_.unique():
            rows = (groups.class_ == class_).nonzero()[:, 0].tolist()
            members = positions(groups.member[rows].any(dim=0))
            x, real = features[on(features.device, members)], targets[rows[0]]
            own, cross, fixed = _squares(x, x), _squares(x, real), _squares(real, real)
            for row in rows:
                set_ = on(features.device, positions(groups.member[row, members]))
                found[row] = self._distance(own[set_][:, set_], cross[set_], fixed)
        return torch.stack([found[row] for row in range(len(groups))])

    def _distance(self, own: Tensor, cross: Tensor, fixed: Tensor) -> Tensor:
        """The loss of a set, from the squared distances in it, to real vectors, and among these."""
        count = len(own) + len(fixed)
        with torch.no_grad():
            width = (own.sum() + 2 * cross.sum() + fixed.sum()) / (count * (count - 1))
        means = [
            torch.stack([(-squares / (width * f)).exp().mean() for f in self._factors]).sum()
            for squares in (own, cross, fixed)
        ]
        return means[0] - 2 * means[1] + means[2]


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances, ``[example, other]``; at least 0."""
    lengths = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)
    return (lengths - 2 * x @ y.T).clamp(min=0)
