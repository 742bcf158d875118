"""Distribution matching: synthetic and real data should have the same mean feature.

Also the probe of the most learnable subset: one forward pass serves every size, because the
features of a subset are rows of those of the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensery.condensing.objectives.base import Match, Objective, target_rows
from condensery.engines import Engine
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext, View, by_class

__all__ = ["DistributionMatching"]


@register("objective", "distribution")
@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionMatching(Objective):
    """Squared distance of mean features, summed over features, class by class.

    Source:
        Zhao & Bilen 2023 (DM), released loss; He et al. 2024 (MDC), feature distance ``F_t(n)``.
        Differs: none; like both released codes the sum, not the mean, over features is taken.
    """

    joint: ClassVar[bool] = False
    uses_engine: ClassVar[bool] = True

    def bind(
        self,
        context: StepContext,
        real: Examples,
        view: View,
        *,
        engine: Engine,
        classes_per_pass: int,
    ) -> Match:
        """See ``Objective.bind``."""
        network = context.network
        groups = by_class(real)
        with torch.no_grad():
            shown = view(real)
            target = torch.cat(
                [
                    _means(
                        engine.features(network, shown[examples]), groups.rows(rows).only(examples)
                    )
                    for rows, examples in groups.passes(classes_per_pass)
                ]
            )

        def match(examples: Examples, groups_: Groups) -> Tensor:
            synthetic = _means(engine.features(network, view(examples)), groups_)
            row = target_rows(groups.class_, groups_.class_)
            return (synthetic - target[row]).square().sum(dim=1)

        return match


def _means(features: Tensor, groups: Groups) -> Tensor:
    """Mean feature of each group, ``[group, feature]``."""
    share = groups.member.to(features.dtype)
    return (share @ features) / share.sum(dim=1, keepdim=True)
