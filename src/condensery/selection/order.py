"""Condensed sets from an order of the images of every class; and the options of a rule.

Knows nothing about how an order is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from condensery.condensed.artifact import CondensedSet
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.parameterizations import Parameterization, Pixels, stored_rows
from condensery.types import Examples

Orders = Sequence[Int[Tensor, "image"]]
"""For every class, positions in the data set, the first choice first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """The options of a selection rule.

    Attributes:
        ipc: Images per class, in 1..the largest class.
        seed: Seed of all draws.
        network: Name of the architecture, if the rule trains a network.
        steps: Steps of its training; with 0 it is not trained.
        device: The device of the training.
        on_step: Called after every step of the training.
    """

    ipc: int
    seed: int
    network: str
    steps: int
    device: str
    on_step: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImages:
    """Images that a rule builds from real ones, such as mosaics of crops.

    Attributes:
        stored: Images in [0, 1], rows sorted by rank, then by class.
        parameterization: How they are stored.
        recipe: The choices of the rule, for the manifest.
    """

    stored: Examples
    parameterization: Parameterization
    recipe: Mapping[str, object]


def check_ipc(data: ImageData, ipc: int, *, longest: int | None = None) -> None:
    """Refuse a size that is larger than every class.

    Args:
        data: The training split.
        ipc: Images per class.
        longest: Length of the longest order; if ``None``, that of the largest class.

    Raises:
        ConfigError: If ``ipc`` is out of range.
    """
    longest = int(data.counts().max()) if longest is None else longest
    if not 1 <= ipc <= longest:
        raise ConfigError(
            f"ipc = {ipc}, but the largest class of {data.name} has {longest} images to select "
            f"from. Ask for 1..{longest}."
        )


def as_condensed(
    data: ImageData,
    orders: Orders,
    *,
    ipc: int,
    method: str,
    recipe: Mapping[str, object],
    seed: int,
) -> CondensedSet:
    """The first ``ipc`` real images of every class in a given order, as a condensed set.

    Args:
        data: The training split.
        orders: The order of every class; a class with a shorter order gives all its images.
        ipc: Images per class, in 1..the longest order.
        method: Name of the rule, for the manifest.
        recipe: The choices of the rule, for the manifest.
        seed: Seed of the order, for the manifest.

    Raises:
        ConfigError: If ``ipc`` is out of range.
    """
    check_ipc(data, ipc, longest=max(len(order) for order in orders))
    rank, class_ = stored_rows(torch.tensor([min(ipc, len(order)) for order in orders]))
    pairs = zip(rank.tolist(), class_.tolist(), strict=True)
    index = torch.stack([orders[c][r] for r, c in pairs])
    stored = Examples(
        images=data.pixels(index).cpu(), labels=class_.clone(), class_=class_, rank=rank
    )
    made = BuiltImages(stored=stored, parameterization=Pixels(), recipe=recipe)
    return as_set(data, made, ipc=ipc, method=method, seed=seed)


def as_set(data: ImageData, made: BuiltImages, *, ipc: int, method: str, seed: int) -> CondensedSet:
    """A condensed set of built images; arguments as in ``as_condensed``."""
    return CondensedSet.from_stored(
        made.stored,
        name=f"{method}-{data.name}",
        class_names=data.class_names,
        decode=made.parameterization.decode_json(),
        mean=data.mean,
        std=data.std,
        method=method,
        recipe={"method": method, "ipc": ipc, **made.recipe},
        seed=seed,
        data=data.record(),
        created="",
        zca=None if data.whitening is None else data.whitening.to_json(),
    )
