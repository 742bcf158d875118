"""A method: a function that makes recipes, with its name, paper and summary."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.errors import ConfigError, nearest
from condensery.registry import find, register

PRESETS = ("smoke", "quick", "standard", "paper")

USUAL_METHOD = "nested"
"""The method where none is named: docs/frontier.md has what it gives in minutes."""
"""The presets of every built-in method, shortest run first."""


class Recipes(Protocol):
    """Makes the recipe of a method for data, a size and a preset."""

    def __call__(self, data: ImageData, *, ipc: int, preset: str) -> Recipe:
        """The recipe."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of the library.

    Attributes:
        recipe: Makes its recipe.
        presets: Names of its presets, shortest run first.
        paper: Authors, venue and arXiv number.
        summary: A summary in one line.
        protocol: Name of the evaluation protocol of its paper; empty for the usual one.
    """

    recipe: Recipes
    presets: tuple[str, ...] = PRESETS
    paper: str = ""
    summary: str = ""
    protocol: str = ""


_Recipes = TypeVar("_Recipes", bound=Recipes)


def method(
    name: str,
    *,
    presets: tuple[str, ...] = PRESETS,
    paper: str = "",
    summary: str = "",
    protocol: str = "",
) -> Callable[[_Recipes], _Recipes]:
    """A decorator that registers a function as a method; see ``Method`` for the arguments.

    Example:
        ``@method("mine", summary="one size: ...")`` above
        ``def recipe(data, *, ipc, preset) -> Recipe``.
    """

    def entered(recipe: _Recipes) -> _Recipes:
        register("method", name)(
            Method(recipe=recipe, presets=presets, paper=paper, summary=summary, protocol=protocol)
        )
        return recipe

    return entered


def method_of(name: str) -> Method:
    """The method with a name, or the function ``"package.module:function"``.

    Raises:
        ConfigError: If there is no such method.
    """
    found = find("method", name)
    if isinstance(found, Method):
        return found
    try:
        inspect.signature(found).bind(None, ipc=1, preset="quick")
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"method = {name!r} cannot be called as a method is ({error}). Write "
            "def recipe(data, *, ipc, preset) that returns a condensery.Recipe."
        ) from error
    return Method(recipe=found)


def recipe_for(method: str, data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of ``method`` for ``data``.

    Raises:
        ConfigError: If the method or preset is unknown (names the nearest one), or ``ipc < 1``.
    """
    known = method_of(method)
    if preset not in known.presets:
        raise ConfigError(
            f"preset = {preset!r} is unknown for {method}; known are {', '.join(known.presets)}."
            f"{nearest(preset, known.presets)}"
        )
    if ipc < 1:
        raise ConfigError(f"ipc = {ipc}, but a set needs at least 1 image per class.")
    recipe = known.recipe(data, ipc=ipc, preset=preset)
    if not isinstance(recipe, Recipe):
        raise ConfigError(
            f"method = {method!r} returned {recipe!r:.60}, but it must return a condensery.Recipe."
        )
    return recipe
