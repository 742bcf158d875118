"""The mean features of real images under networks that come again, computed once in a process.

They depend on the network, the class and the data alone, so a run that goes on computes them again,
and they are in no checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from condensery.augment import Identity
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import KeptMeans
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.registry import name_of
from condensery.types import FeaturesOf, StepContext

_AT_ONCE = 256
"""Real images in a pass."""


class KeptFeatures:
    """The means of all classes and networks that were asked for.

    Args:
        sampler: Says which images a mean is of.
        data: Real training images.
        device: The device of the networks.
    """

    def __init__(self, sampler: KeptMeans, data: ImageData, device: str) -> None:
        self._sampler, self._data, self._device = sampler, data, device
        self._known: dict[tuple[int, int], Tensor] = {}

    def with_means(self, context: StepContext) -> StepContext:
        """The context with the means under its network (``StepContext.mean_features``)."""
        place = context.place
        assert place is not None  # ``check_kept``

        def mean_features(class_: int, features: FeaturesOf) -> Tensor:
            if (place, class_) not in self._known:
                self._known[place, class_] = self._mean(class_, features)
            return self._known[place, class_]

        return replace(context, mean_features=mean_features)

    @torch.no_grad()
    def _mean(self, class_: int, features: FeaturesOf) -> Tensor:
        index = self._sampler.of_class(self._data, class_)
        sums = [
            features(self._data.normalise(self._data.pixels(part).to(self._device))).sum(dim=0)
            for part in index.split(_AT_ONCE)
        ]
        return torch.stack(sums).sum(dim=0) / len(index)


def check_kept(recipe: Recipe) -> None:
    """Refuse kept mean features together with parts that need real images.

    Raises:
        ConfigError: Names the key and what would work.
    """
    if not isinstance(recipe.sampler, KeptMeans):
        return
    sampler = "sampler = kept-means keeps mean features"
    if not recipe.schedule.fixed_networks:
        raise ConfigError(
            f"{sampler} of networks that come again, but every network of schedule = "
            f"{name_of('schedule', type(recipe.schedule))} is new. Use --set schedule=interpolated "
            "--set schedule.fixed=16."
        )
    objectives = {"objective": recipe.objective, "size_policy.probe": recipe.size_policy.measure}
    for key, objective in objectives.items():
        if objective is not None and not objective.takes_means:
            raise ConfigError(
                f"{sampler}, but {key} = {name_of('objective', type(objective))} needs the real "
                "images themselves. Use distribution, or calibrated with it, or another sampler."
            )
    if recipe.augment != Identity():
        raise ConfigError(
            f"{sampler} of images as they are, but augment = "
            f"{name_of('augment', type(recipe.augment))} changes the condensed ones. Use --set "
            "augment=none."
        )
