"""Feature regression: with the features of a network as kernel, the set predicts real labels.

In closed form, this is the prediction after training only the last layer on the set. The network
gets no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensery.condensing.objectives.base import Match, Objective
from condensery.condensing.objectives.regression import centred, check_ridge, losses
from condensery.engines import Engine
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext, View

_TOGETHER = 256
"""Real images in one pass of the network; limits the memory, does not change the result."""


@register("objective", "feature-regression")
@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRegression(Objective):
    """Half the mean squared error of predicting real labels by ridge regression on features.

    The kernel of two images is the product of their features before the last layer. Labels are
    class probabilities minus ``1 / classes``; the labels of the set may be learned. Everything
    after the features is computed in float64. A group contains all classes, and every smaller set
    is a block of the same two matrices.

    Attributes:
        regularisation: Ridge, as a share of the mean diagonal of the kernel of the set, > 0.

    Source:
        Zhou, Nezhadarya, Ba 2022 (FRePo), the loss of the regression. Differs: the mean, not the
        sum, over classes; labels are not scaled down for more than ten classes; there is no term
        that keeps the largest learned label above the second largest (released: there is).
    """

    all_classes: ClassVar[bool] = True
    uses_engine: ClassVar[bool] = False

    regularisation: float = 1e-6

    def __post_init__(self) -> None:
        check_ridge(self.regularisation)

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
        del classes_per_pass  # a set is of all classes

        def features_of(shown: Tensor) -> Tensor:
            return engine.features(context.network, shown).to(torch.float64)

        with torch.no_grad():
            targets = torch.cat([features_of(part) for part in view(real).split(_TOGETHER)])
        classes = int(real.class_.max()) + 1
        wanted = centred(real.labels, classes).detach()

        def match(examples: Examples, groups: Groups) -> Tensor:
            own = features_of(view(examples))
            labels = centred(examples.labels, classes)
            found = losses(
                targets @ own.T, own @ own.T, labels, wanted, groups, ridge=self.regularisation
            )
            return found.to(examples.images.dtype)

        return match
