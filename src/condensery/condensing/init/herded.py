"""A nested initialisation: every prefix has nearly the mean feature of the real images.

Ours. A set for all sizes should start with images that suit every size: the feature of the first
image of a class is near the mean feature of the class, so is the mean of the first two, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.clustering import following_means
from condensery.condensing.init.base import Init, Network, as_stored, batches_of, repeated
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.networks import batched_features
from condensery.parameterizations import Parameterization
from condensery.registry import register
from condensery.rng import branches
from condensery.types import Examples


@register("init", "herded")
@dataclass(frozen=True, slots=True, kw_only=True)
class HerdedImages(Init):
    """Random images, ordered so that the mean feature of every prefix is near that of the class.

    The feature of a stored image is the mean over its decoded examples: a mosaic is one candidate.

    Attributes:
        candidates: Stored images per class to choose from, at least 1. At least twice the number
            of stored images is used, but not more than the class can fill.
        networks: Number of new networks whose features are compared, at least 1.
        sample: Random real images per class for the mean feature of the class, at least 1.

    Source:
        Ours; the greedy choice is herding (Welling 2009).
    """

    candidates: int = 50
    networks: int = 4
    sample: int = 200

    def __post_init__(self) -> None:
        for name in ("candidates", "networks", "sample"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"init.{name} = {getattr(self, name)}, but it must be at least 1."
                )

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
        probes = [network("start", k) for k in range(self.networks)]
        stream_of = branches(rng)
        images: list[Tensor] = []
        for c, count in enumerate(counts.tolist()):
            own = data.of_class(c)
            if not count:
                images.append(torch.empty(0, data.channels, *data.side))
                continue
            rng = stream_of(c)
            order = own[torch.randperm(len(own), generator=rng)]
            real = own[torch.randperm(len(own), generator=rng)[: self.sample]]
            each = parameterization.examples_each
            pool = max(count, min(max(self.candidates, 2 * count), len(own) // each))
            packed = parameterization.pack(data.pixels(repeated(order, pool * each)))
            shown = [data.normalise(parameterization.decode(_row(one, c)).images) for one in packed]
            means: list[Tensor] = []
            features: list[Tensor] = []
            for probe in probes:
                means.append(batched_features(probe, batches_of(data, real)).mean(dim=0))
                features.append(batched_features(probe, shown).unflatten(0, (pool, -1)).mean(dim=1))
            chosen = following_means(torch.cat(features, dim=1), torch.cat(means), count=count)
            images.append(packed[chosen])
        return as_stored(images, counts)


def _row(image: Tensor, class_: int) -> Examples:
    """One stored image."""
    own = torch.tensor([class_])
    return Examples(images=image[None], labels=own, class_=own, rank=torch.zeros_like(own))
