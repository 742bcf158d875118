"""No real images at all, once their mean features are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from condensery.augment import Identity
from condensery.condensing.samplers.base import Draw, RecipeFacts, Sampler
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.registry import name_of, register
from condensery.types import FeaturesOf, StepContext

_AT_ONCE = 256
"""Real images in a pass."""


@register("sampler", "kept-means")
@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMeans(Sampler):
    """The mean feature of every class, computed once for each network that comes again, and kept.

    In later image updates under this network, no real image goes through it. It needs a schedule
    whose networks come again (``interpolated`` with ``schedule.fixed`` above 0), an objective that
    compares mean features, and no augmentation, since the means are of the images as they are.
    Means depend on the network, the class and the data alone, so a run that goes on computes them
    again, and they are in no checkpoint.

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

    def begin(self, data: ImageData) -> Draw:
        """See ``Sampler.begin``; one image stands for each class, and no objective looks at it."""

        def draw(
            context: StepContext, *, classes: Sequence[int], rng: torch.Generator
        ) -> dict[int, Tensor]:
            del context, rng
            return {class_: data.of_class(class_)[:1] for class_ in classes}

        return draw

    def provider(self, data: ImageData, device: str) -> Callable[[StepContext], StepContext]:
        """Adds the means under its network to a context (``StepContext.mean_features``)."""
        known: dict[tuple[int, int], Tensor] = {}

        @torch.no_grad()
        def mean(class_: int, features: FeaturesOf) -> Tensor:
            own = data.of_class(class_)
            index = own[: self.images] if self.images else own
            sums = [
                features(data.normalise(data.pixels(part).to(device))).sum(dim=0)
                for part in index.split(_AT_ONCE)
            ]
            return torch.stack(sums).sum(dim=0) / len(index)

        def with_means(context: StepContext) -> StepContext:
            place = context.place
            assert place is not None  # ``check``

            def mean_features(class_: int, features: FeaturesOf) -> Tensor:
                if (place, class_) not in known:
                    known[place, class_] = mean(class_, features)
                return known[place, class_]

            return replace(context, mean_features=mean_features)

        return with_means

    def check(self, recipe: RecipeFacts) -> None:
        """See ``Sampler.check``: whatever needs real images at an update is refused."""
        sampler = "sampler = kept-means keeps mean features"
        if not recipe.schedule.fixed_networks:
            raise ConfigError(
                f"{sampler} of networks that come again, but every network of schedule = "
                f"{name_of('schedule', type(recipe.schedule))} is new. Use --set "
                "schedule=interpolated --set schedule.fixed=16."
            )
        objectives = {
            "objective": recipe.objective,
            "size_policy.probe": recipe.size_policy.measure,
        }
        for key, objective in objectives.items():
            if objective is not None and not objective.takes_means:
                raise ConfigError(
                    f"{sampler}, but {key} = {name_of('objective', type(objective))} needs the "
                    "real images themselves. Use distribution of 1 block, or calibrated with it, "
                    "or another sampler."
                )
        if recipe.augment != Identity():
            raise ConfigError(
                f"{sampler} of images as they are, but augment = "
                f"{name_of('augment', type(recipe.augment))} changes the condensed ones. Use --set "
                "augment=none."
            )
