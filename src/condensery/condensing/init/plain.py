"""Initialisations without features: random real images, the first images, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from condensery.condensing.init.base import Init, Network, as_stored, repeated
from condensery.data import ImageData
from condensery.errors import ConfigError, nearest
from condensery.parameterizations import Parameterization
from condensery.registry import register
from condensery.rng import branches
from condensery.types import Examples


@register("init", "random")
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomImages(Init):
    """Random real images of every class, without replacement as long as there are enough."""

    nested: ClassVar[bool] = True

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
        del network
        own, stream_of = [data.of_class(c) for c in range(len(counts))], branches(rng)
        orders = [
            index[torch.randperm(len(index), generator=stream_of(c))] for c, index in enumerate(own)
        ]
        return _packed(parameterization, data, orders, counts)


@register("init", "first")
@dataclass(frozen=True, slots=True, kw_only=True)
class FirstImages(Init):
    """The first images of every class in data set order, as in the released IDC and MDC codes."""

    nested: ClassVar[bool] = True

    def make(
        self,
        parameterization: Parameterization,
        data: ImageData,
        *,
        counts: Tensor,
        rng: torch.Generator,
        network: Network,
    ) -> Examples:
        """See ``Init.make``; draws nothing."""
        del rng, network
        orders = [data.of_class(c) for c in range(len(counts))]
        return _packed(parameterization, data, orders, counts)


@register("init", "noise")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noise(Init):
    """Normal noise, clipped to [0, 1].

    Attributes:
        like: ``"grey"``: ``randn / 4 + 1/2`` (IDC). ``"data"``: ``mean + std * randn`` with the
            mean and std of each channel of the data, so that normalised images are standard
            noise (DC).
    """

    like: Literal["grey", "data"] = "grey"

    def __post_init__(self) -> None:
        known = ("grey", "data")
        if self.like not in known:
            raise ConfigError(
                f"init.like = {self.like!r} is unknown; known are {', '.join(known)}."
                f"{nearest(self.like, known)}"
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
        del parameterization, network
        if self.like == "data":
            mean, std = (torch.tensor(v)[:, None, None] for v in (data.mean, data.std))
        else:
            mean, std = torch.tensor(0.5), torch.tensor(0.25)
        shape, stream_of = (data.channels, *data.side), branches(rng)
        drawn = [
            torch.randn(count, *shape, generator=stream_of(c))
            for c, count in enumerate(counts.tolist())
        ]
        return as_stored([(mean + std * noise).clamp(0, 1) for noise in drawn], counts)


def _packed(
    parameterization: Parameterization, data: ImageData, orders: list[Tensor], counts: Tensor
) -> Examples:
    """The first images of each order, as many as ``counts`` stored images need."""
    images: list[Tensor] = []
    for order, count in zip(orders, counts.tolist(), strict=True):
        index = repeated(order, count * parameterization.examples_each)
        images.append(parameterization.pack(data.pixels(index)))
    return as_stored(images, counts)
