"""An update whose rows stay probabilities, for learned labels.

Knows nothing about the images of the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from condensery.condensing.updates.adam import Adam
from condensery.condensing.updates.base import ImageUpdate
from condensery.registry import register


@register("update", "on-simplex")
@dataclass(frozen=True, slots=True, kw_only=True)
class OnSimplex(ImageUpdate):
    """A step of another update, and then a projection of every row to the nearest probabilities.

    Cross-entropy with a negative label has no minimum, so that training with it may diverge.

    Attributes:
        update: The update of the step.
    """

    update: ImageUpdate = field(default_factory=lambda: Adam(lr=0.01))

    def init(self, images: Tensor) -> dict[str, Tensor]:
        """See ``ImageUpdate.init``."""
        return self.update.init(images)

    def step(
        self,
        images: Tensor,
        gradient: Tensor,
        state: Mapping[str, Tensor],
        *,
        frozen: Tensor,
        remaining: float = 1.0,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See ``ImageUpdate.step``; here ``images`` are rows ``[row, class_]``."""
        moved, after = self.update.step(images, gradient, state, frozen=frozen, remaining=remaining)
        return torch.where(frozen, images, nearest_probabilities(moved)), after


def nearest_probabilities(rows: Float[Tensor, "row class_"]) -> Float[Tensor, "row class_"]:
    """The point of the probability simplex that is nearest to each row.

    Source:
        Duchi et al. 2008, *Efficient Projections onto the l1-Ball for Learning in High Dimensions*:
        one number is subtracted from all entries, and negative entries become 0.
    """
    largest = rows.sort(dim=1, descending=True).values
    above = largest.cumsum(dim=1) - 1  # what the k largest have too much
    count = torch.arange(1, rows.shape[1] + 1, device=rows.device)
    support = (largest * count > above).sum(dim=1, keepdim=True)
    return (rows - above.gather(1, support - 1) / support).clamp(min=0)
