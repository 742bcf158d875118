"""A random batch of every class. Knows nothing about losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from condensery.condensing.samplers.base import Draw, Sampler
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.types import Examples, StepContext

__all__ = ["RandomPerClass"]


@register("sampler", "random-per-class")
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomPerClass(Sampler):
    """``batch`` random images of every class, without replacement; all images of a smaller class.

    Attributes:
        batch: Images per class, at least 1 (IDC and MDC: 64; DC, DSA and DM: 256).
    """

    batch: int = 64

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(
                f"sampler.batch = {self.batch}: at least 1 real image a class is needed."
            )

    def begin(self, data: ImageData) -> Draw:
        """See ``Sampler.begin``; every draw stands alone."""

        def draw(context: StepContext, *, rng: torch.Generator) -> Examples:
            del context
            return self.draw(data, rng=rng)

        return draw

    def draw(self, data: ImageData, *, rng: torch.Generator) -> Examples:
        """One batch of every class: real examples in [0, 1], rank 0."""
        own = [data.of_class(c) for c in range(data.classes)]
        index = torch.cat([o[torch.randperm(len(o), generator=rng)[: self.batch]] for o in own])
        labels = data.labels[index]
        return Examples(
            images=data.pixels(index), labels=labels, class_=labels, rank=torch.zeros_like(labels)
        )
