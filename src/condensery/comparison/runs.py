"""The condensations that contenders need; one that several need is one run.

Knows nothing about files, nor about which runs go on together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from condensery.api import resolve
from condensery.comparison.contenders import Contender
from condensery.data import ImageData
from condensery.errors import CondenseryError, ConfigError
from condensery.methods import recipe_for
from condensery.recipe import Recipe
from condensery.registry import name_of

__all__ = ["Asked", "Part", "Run", "parts_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all runs of a comparison have in common.

    Attributes:
        ipc: Images per class N of the full sets.
        preset: Of every method.
        network: Another matching network, or ``None``; methods without a network keep none.
        settings: Recipe keys to change, in order; a key ``method:key`` or ``method:policy:key``
            concerns the runs of that method (with that policy) alone.
        device: Where they run; may decide how many classes are matched at once.
    """

    ipc: int
    preset: str = "quick"
    network: str | None = None
    settings: Sequence[tuple[str, str]] = ()
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One condensation, without its seed.

    Attributes:
        recipe: Complete.
        rank: For baseline B: the run starts where this rank of ``source``'s start begins.
        source: The recipe of the full set that baseline B's starts are taken from, or ``None``.
    """

    recipe: Recipe
    rank: int | None = None
    source: Recipe | None = field(default=None, repr=False)

    @property
    def policy(self) -> str:
        """Name of the recipe's size policy."""
        return name_of("sizes", type(self.recipe.sizes)).replace(":", ".")

    @property
    def name(self) -> str:
        """Equal for equal runs of one comparison: ``mdc-most-learnable-ipc10``."""
        rank = "" if self.rank is None else f"-rank{self.rank}"
        return f"{self.recipe.method}-{self.policy}-ipc{self.recipe.ipc}{rank}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One condensed set of a contender, and the sizes that it stands for.

    Attributes:
        contender: Whose.
        file: Name of its file, without seed and ending.
        runs: What it is made of, one after the other; none for a selection.
        sizes: Images per class at which it is tested, ascending.
        ipc: Images per class that it holds.
    """

    contender: Contender
    file: str
    runs: tuple[Run, ...]
    sizes: tuple[int, ...]
    ipc: int

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for parts that hold the same images."""
        return tuple(run.name for run in self.runs) or (self.contender.name,)


def parts_of(
    contender: Contender, data: ImageData, asked: Asked, *, sizes: Sequence[int]
) -> tuple[Part, ...]:
    """The sets of a contender.

    Args:
        contender: Which.
        data: Real training images.
        asked: What all runs have in common.
        sizes: Images per class to test.

    Raises:
        ConfigError: If a recipe cannot be made, naming the contender, or if B has a class with
            fewer than N images: its runs start from different ones.
    """
    sizes, full = tuple(sorted(sizes)), asked.ipc

    def recipe(ipc: int) -> Recipe:
        return _recipe(contender, data, asked, ipc=ipc)

    def part(runs: Sequence[Run], *, name: str = "", ipc: int = full) -> Part:
        own = (ipc,) if name else sizes
        file = contender.file + name
        return Part(contender=contender, file=file, runs=tuple(runs), sizes=own, ipc=ipc)

    if contender.kind == "selection":
        return (part([]),)
    if contender.kind == "a":
        return tuple(part([Run(recipe=recipe(n))], name=f"-ipc{n}", ipc=n) for n in sizes)
    if contender.kind == "b":
        fewest = int(data.counts().min())
        if fewest < full:
            raise ConfigError(
                f"Baseline b starts {full} runs from different images of every class, but a class "
                f"of {data.name} has {fewest}. Leave out b, or use --ipc {fewest} or less."
            )
        one, whole = recipe(1), recipe(full)
        runs = [Run(recipe=one, rank=rank, source=whole) for rank in range(full)]
        if one.init.nested:
            runs[0] = Run(recipe=one)  # begins where A's smallest run does, so it is that run
        return (part(runs),)
    return (part([Run(recipe=recipe(full))]),)


def _recipe(contender: Contender, data: ImageData, asked: Asked, *, ipc: int) -> Recipe:
    method = contender.method
    try:
        own = recipe_for(method, data, ipc=ipc, preset=asked.preset)
        return resolve(
            data,
            method=method,
            ipc=ipc,
            preset=asked.preset,
            sizes=contender.sizes,
            network=None if own.network == "none" else asked.network,
            settings=_settings(contender, asked.settings),
            device=asked.device,
        )
    except CondenseryError as error:
        hint = f" (--set {method}:KEY=VALUE sets a key for {method} alone.)"
        raise type(error)(f"{contender.name}: {error}{hint if asked.settings else ''}") from error


def _settings(contender: Contender, settings: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for given, value in settings:
        scope, _, key = given.rpartition(":")
        if scope in ("", contender.method, f"{contender.method}:{contender.sizes}"):
            found[key] = value
    return found
