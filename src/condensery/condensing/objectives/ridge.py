"""Kernel ridge regression: the synthetic data should predict the labels of the real data.

There is no network: a kernel in closed form represents an infinitely wide network. Every smaller
set is a block of the same kernel matrices, so all sizes take little more time than the largest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from condensery.condensing.objectives.base import Match, Objective
from condensery.condensing.objectives.regression import centred, check_ridge, losses
from condensery.engines import Engine
from condensery.kernels import FullyConnected, Kernel, predict
from condensery.kernels.base import vectors
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext, View

_PAIRS = 2**22
"""Kernel values above which a pass is divided, and computed again for the gradient."""


@register("objective", "ridge-regression")
@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeRegression(Objective):
    """Half the mean squared error of predicting real labels from a synthetic set.

    Labels are class probabilities minus ``1 / classes``; the labels of the set may be learned.
    Everything is computed in float64. A group contains all classes.

    Attributes:
        kernel: The similarity of two images.
        regularisation: Ridge, as a share of the mean diagonal of the kernel of the set, > 0.

    Source:
        Nguyen et al. 2021 (KIP), released loss: the mean is over images and classes. Differs:
        none.
    """

    all_classes: ClassVar[bool] = True
    uses_engine: ClassVar[bool] = False

    kernel: Kernel = field(default_factory=FullyConnected)
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
        """See ``Objective.bind``; uses neither the network nor the engine."""
        del context, engine, classes_per_pass
        with torch.no_grad():
            targets = vectors(view(real))
        classes = int(real.class_.max()) + 1
        wanted = centred(real.labels, classes).detach()

        def match(examples: Examples, groups: Groups) -> Tensor:
            shown = vectors(view(examples))
            cross, support = self._cross(targets, shown), self.kernel(shown, shown)
            labels = centred(examples.labels, classes)
            found = losses(cross, support, labels, wanted, groups, ridge=self.regularisation)
            return found.to(examples.images.dtype)

        return match

    def _cross(self, targets: Tensor, shown: Tensor) -> Tensor:
        """The kernel of targets and examples, ``[target, example]``."""
        rows = max(1, _PAIRS // len(shown))
        if len(targets) <= rows:
            return self.kernel(targets, shown)
        return torch.cat(
            [
                checkpoint(self.kernel, part, shown, use_reentrant=False, preserve_rng_state=False)
                for part in targets.split(rows)
            ]
        )

    def classify(self, support: Tensor, labels: Tensor, targets: Tensor, *, classes: int) -> Tensor:
        """The class that a set predicts for each target.

        Args:
            support: Normalised images of the set.
            labels: Class index ``[example]`` or learned labels ``[example, class_]``.
            targets: Normalised images.
            classes: Number of classes.

        Returns:
            Class indices ``[target]``.
        """
        own = vectors(support)
        centre = centred(labels, classes)
        said = predict(
            self._cross(vectors(targets), own),
            self.kernel(own, own),
            centre,
            ridge=self.regularisation,
        )
        return said.argmax(dim=1)
