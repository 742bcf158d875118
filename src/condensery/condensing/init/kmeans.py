"""Initialisation of DREAM: real images that represent clusters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.clustering import kmeans, representatives
from condensery.condensing.init.base import Init, Network, as_stored, batches_of, repeated
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.networks import batched_features
from condensery.parameterizations import Parameterization
from condensery.registry import register
from condensery.rng import branches
from condensery.types import Examples


@register("init", "kmeans")
@dataclass(frozen=True, slots=True, kw_only=True)
class KMeansImages(Init):
    """The real images nearest to cluster centres; one cluster for each image that is packed.

    Features are those of one new network, for normalised images without augmentation.

    Attributes:
        pool: Random images of a class that are clustered, at least 1; 0: all images.

    Source:
        Liu et al. 2023 (DREAM), initialisation. Differs: images are normalised for the network
        (released: not); an image is packed once (released: an image that represents two clusters
        can be packed twice).
    """

    pool: int = 0

    def __post_init__(self) -> None:
        if self.pool < 0:
            raise ConfigError(f"init.pool = {self.pool}, but it must be 0 (all images) or more.")

    def make(
        self,
        parameterization: Parameterization,
        data: ImageData,
        *,
        counts: Tensor,
        rng: torch.Generator,
        network: Network,
    ) -> Examples:
        """See ``Init.make``."""
        probe, stream_of = network("start", 0), branches(rng)
        images: list[Tensor] = []
        for c, count in enumerate(counts.tolist()):
            own, rng = data.of_class(c), stream_of(c)
            if not count:
                images.append(torch.empty(0, data.channels, *data.side))
                continue
            order = own[torch.randperm(len(own), generator=rng)]
            needed = count * parameterization.examples_each
            pool = order[: max(self.pool, needed)] if self.pool else order
            features = batched_features(probe, batches_of(data, pool))
            centres = kmeans(features, clusters=min(needed, len(pool)), rng=rng)
            chosen = representatives(features, centres)
            once = list(dict.fromkeys(chosen.tolist()))
            rest = [i for i in range(len(pool)) if i not in set(once)]
            wanted = pool[torch.tensor([*once, *rest])]
            images.append(parameterization.pack(data.pixels(repeated(wanted, needed))))
        return as_stored(images, counts)
