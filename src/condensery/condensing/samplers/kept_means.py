"""No real images at all, once their mean features are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.samplers.base import Draw, Sampler
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.types import StepContext


@register("sampler", "kept-means")
@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMeans(Sampler):
    """The mean feature of every class, computed once for each network that comes again, and kept.

    In later image updates under this network, no real image goes through it. It needs a schedule
    whose networks come again (``interpolated`` with ``schedule.fixed`` above 0), an objective that
    compares mean features, and no augmentation, since the means are of the images as they are.

    Attributes:
        images: Images per class in a mean, in the order of the data; 0: all (the default).

    Source:
        Ours. The mean over all images has no noise of a batch, but the images of an update and the
        condensed ones no longer share a draw of the augmentation.
    """

    images: int = 0

    def __post_init__(self) -> None:
        if self.images < 0:
            raise ConfigError(f"sampler.images = {self.images}, but it must be 0 (all) or more.")

    def of_class(self, data: ImageData, class_: int) -> Tensor:
        """Positions of the images in the mean of a class."""
        own = data.of_class(class_)
        return own[: self.images] if self.images else own

    def begin(self, data: ImageData) -> Draw:
        """See ``Sampler.begin``; one image stands for each class, and no objective looks at it."""

        def draw(
            context: StepContext, *, classes: Sequence[int], rng: torch.Generator
        ) -> dict[int, Tensor]:
            del context, rng
            return {class_: data.of_class(class_)[:1] for class_ in classes}

        return draw
