"""Methods: each is a row of parts. One explicit table, no registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from condensery.data import ImageData
from condensery.errors import ConfigError, nearest
from condensery.methods import dc, dm, dream, dsa, frepo, idc, kip, mdc, mtt, nested
from condensery.recipe import Recipe

__all__ = ["METHODS", "Method", "recipe_for"]


class Recipes(Protocol):
    """How a method's recipe is made for data, a size and a preset."""

    def __call__(self, data: ImageData, *, ipc: int, preset: str) -> Recipe:
        """The resolved recipe."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method as the library offers it.

    Attributes:
        recipe: Makes its recipe.
        presets: Names it accepts, shortest run first.
        paper: Authors, venue and arXiv number.
        summary: One line.
    """

    recipe: Recipes
    presets: tuple[str, ...]
    paper: str
    summary: str


METHODS: Mapping[str, Method] = {
    "mdc": Method(
        recipe=mdc.recipe,
        presets=mdc.PRESETS,
        paper="He et al., ICLR 2024, arXiv 2403.06075",
        summary="multisize: the full set and its most learnable subset, gradient matching",
    ),
    "idc": Method(
        recipe=idc.recipe,
        presets=idc.PRESETS,
        paper="Kim et al., ICML 2022, arXiv 2205.14959",
        summary="one size: gradient matching on several small images per stored image",
    ),
    "kip": Method(
        recipe=kip.recipe,
        presets=kip.PRESETS,
        paper="Nguyen et al., ICLR 2021, arXiv 2011.00050",
        summary="one size: kernel ridge regression from the set to real images, without a network",
    ),
    "dc": Method(
        recipe=dc.recipe,
        presets=dc.PRESETS,
        paper="Zhao, Mopuri, Bilen, ICLR 2021, arXiv 2006.05929",
        summary="one size: gradient matching under networks trained on the set itself",
    ),
    "dsa": Method(
        recipe=dsa.recipe,
        presets=dsa.PRESETS,
        paper="Zhao, Bilen, ICML 2021, arXiv 2102.08259",
        summary="dc with one augmentation shared by real and synthetic images",
    ),
    "dm": Method(
        recipe=dm.recipe,
        presets=dm.PRESETS,
        paper="Zhao, Bilen, WACV 2023, arXiv 2110.04181",
        summary="one size: mean features under networks that are never trained; the fastest",
    ),
    "dream": Method(
        recipe=dream.recipe,
        presets=dream.PRESETS,
        paper="Liu et al., ICCV 2023, arXiv 2302.14416",
        summary="idc matched to real images that stand for the clusters of their class",
    ),
    "mtt": Method(
        recipe=mtt.recipe,
        presets=mtt.PRESETS,
        paper="Cazenavette et al., CVPR 2022, arXiv 2203.11932",
        summary="one size: train on the set, arrive where training on real images arrived",
    ),
    "frepo": Method(
        recipe=frepo.recipe,
        presets=frepo.PRESETS,
        paper="Zhou, Nezhadarya, Ba, NeurIPS 2022, arXiv 2206.00719",
        summary="one size: ridge regression on features of networks grown on the set, and labels",
    ),
    "nested": Method(
        recipe=nested.recipe,
        presets=nested.PRESETS,
        paper="ours",
        summary="multisize: all sizes at once, from a start of which every prefix fits",
    ),
}


def recipe_for(method: str, data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of ``method`` for ``data``.

    Raises:
        ConfigError: For an unknown method or preset (with the nearest known), or ``ipc < 1``.
    """
    if method not in METHODS:
        raise ConfigError(
            f"method = {method!r} is unknown; known are {', '.join(METHODS)}."
            f"{nearest(method, METHODS)}"
        )
    known = METHODS[method]
    if preset not in known.presets:
        raise ConfigError(
            f"preset = {preset!r} is unknown for {method}; known are {', '.join(known.presets)}."
            f"{nearest(preset, known.presets)}"
        )
    if ipc < 1:
        raise ConfigError(f"ipc = {ipc}, but a set needs at least 1 image per class.")
    return known.recipe(data, ipc=ipc, preset=preset)
