"""A random batch of every class. Knows nothing about losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.samplers.base import Draw, Sampler, real_examples
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.rng import branches
from condensery.types import Examples, StepContext


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

        def draw(
            context: StepContext, *, classes: Sequence[int], rng: torch.Generator
        ) -> dict[int, Tensor]:
            del context
            return self._positions(data, classes, rng)

        return draw

    def draw(self, data: ImageData, *, rng: torch.Generator) -> Examples:
        """One batch of every class, as real examples."""
        drawn = self._positions(data, range(data.classes), rng)
        return real_examples(data, torch.cat(list(drawn.values())))

    def _positions(
        self, data: ImageData, classes: Sequence[int], rng: torch.Generator
    ) -> dict[int, Tensor]:
        stream_of, own = branches(rng), {c: data.of_class(c) for c in classes}
        return {
            c: index[torch.randperm(len(index), generator=stream_of(c))[: self.batch]]
            for c, index in own.items()
        }
