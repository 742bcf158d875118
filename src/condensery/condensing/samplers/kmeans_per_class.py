"""Real images that represent the clusters of their class, by the features of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from condensery.clustering import kmeans, representatives
from condensery.condensing.samplers.base import Draw, Sampler
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.networks import batched_features
from condensery.registry import register
from condensery.rng import branches
from condensery.types import StepContext

_NEVER = 10**9
"""More image updates than any run has."""


@register("sampler", "kmeans-per-class")
@dataclass(frozen=True, slots=True, kw_only=True)
class KMeansPerClass(Sampler):
    """The image nearest to each of ``batch`` cluster centres of every class.

    An image that is nearest to two centres is used twice, as in the released code. A class with at
    most ``batch`` images is used completely. The images stay the same until the next clustering.

    Attributes:
        batch: Clusters, and therefore images, per class, at least 1.
        every: Image updates between two clusterings, at least 1. Every outer iteration starts with
            a clustering.
        pool: Random images of a class that are clustered; 0: all images (paper). Most of the time
            of a clustering is spent on the features of the pool.
        normalised: Whether images are normalised for the network, as in training (released: not).

    Source:
        Liu et al. 2023 (DREAM). Differs: ``pool``, ``normalised``, and our own k-means.
    """

    batch: int = 128
    every: int = 10
    pool: int = 0
    normalised: bool = True

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("every", 1), ("pool", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"sampler.{name} = {getattr(self, name)}, but it must be at least {least}."
                )
        if 0 < self.pool < self.batch:
            raise ConfigError(
                f"sampler.pool = {self.pool} images hold no sampler.batch = {self.batch} clusters. "
                f"Use a pool of at least {self.batch}, or 0 for all images."
            )

    def costly_draws(self, updates: int) -> int:
        """See ``Sampler.costly_draws``: clusterings."""
        return -(-updates // self.every)

    def cheap(self) -> KMeansPerClass:
        """See ``Sampler.cheap``: one clustering of as few images as can be."""
        return replace(self, every=_NEVER, pool=self.batch)

    def begin(self, data: ImageData) -> Draw:
        """See ``Sampler.begin``; what is remembered is the last clustering."""
        chosen: dict[int, Tensor] = {}

        def draw(
            context: StepContext, *, classes: Sequence[int], rng: torch.Generator
        ) -> dict[int, Tensor]:
            if context.at[1] % self.every == 0:
                stream_of = branches(rng)
                for c in classes:
                    chosen[c] = self._of(data.of_class(c), data, context.network, stream_of(c))
            return chosen

        return draw

    def _of(self, own: Tensor, data: ImageData, network: nn.Module, rng: torch.Generator) -> Tensor:
        """Positions of the representatives among the images ``own`` of a class."""
        if self.pool:
            own = own[torch.randperm(len(own), generator=rng)[: self.pool]]
        if len(own) <= self.batch:
            return own
        show = data.normalise if self.normalised else _as_they_are
        parts = (show(data.pixels(part)) for part in own.split(64))
        features = batched_features(network, parts)
        centres = kmeans(features, clusters=self.batch, rng=rng)
        return own[representatives(features, centres).to(own.device)]


def _as_they_are(images: Tensor) -> Tensor:
    return images
