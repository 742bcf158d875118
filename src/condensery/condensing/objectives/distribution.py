"""Distribution matching: synthetic and real data should have the same mean feature.

Also the probe of the most learnable subset: one forward pass suffices for all sizes, because the
features of a subset are rows of the features of the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.objectives.base import FeatureComparison, FeatureObjective
from condensery.condensing.objectives.group_means import group_means
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext


@register("objective", "distribution")
@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionMatching(FeatureObjective):
    """Squared distance of mean features, summed over features, for each class.

    Attributes:
        blocks: The features of how many last blocks of the network are compared, at least 1. A
            map that is k times as large as the last has 1/k of its weight. More than 1 needs a
            network with ``blocks``, such as a ConvNet.

    Source:
        Zhao & Bilen 2023 (DM), released loss; He et al. 2024 (MDC), feature distance ``F_t(n)``.
        Differs: none with one block; as in both released codes, it is the sum and not the mean
        over features. Wang et al. 2022 (CAFE) compare the mean features of all layers, before
        pooling; here it is the maps of blocks, after it.
    """

    blocks: int = 1

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ConfigError(f"objective.blocks = {self.blocks}, but it must be at least 1.")

    @property
    def of_blocks(self) -> int:
        """See ``FeatureObjective.of_blocks``."""
        return self.blocks

    @property
    def takes_means(self) -> bool:
        """See ``Objective.takes_means``: means are kept of the last block alone."""
        return self.blocks == 1

    def comparison(self, context: StepContext) -> FeatureComparison:
        """See ``FeatureObjective.comparison``; nothing is drawn."""
        del context
        return _Means()


class _Means:
    def target(self, features: Tensor) -> Tensor:
        """See ``FeatureComparison.target``: the mean."""
        return features.mean(dim=0)

    def losses(
        self, features: Tensor, examples: Examples, groups: Groups, targets: Sequence[Tensor]
    ) -> Tensor:
        """See ``FeatureComparison.losses``."""
        difference = group_means(features, examples, groups) - torch.stack(list(targets))
        return difference.square().sum(dim=1)
