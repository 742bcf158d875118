"""The condensed sets that rows need, and their runs; a run that several rows need is made once.

Knows nothing about files, nor about which runs share a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from condensery.api import resolve
from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.errors import CondenseryError, ConfigError
from condensery.methods import recipe_for
from condensery.registry import name_of
from condensery.runs.comparison.rows import ComparedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What all runs of a comparison have in common.

    Attributes:
        ipc: Images per class N of the full sets.
        preset: Of every method.
        network: Another matching network, or ``None``; methods without a network keep none.
        settings: Recipe keys to change, in order; a key ``method:key`` or ``method:policy:key``
            changes the runs of that method (with that policy) alone.
        device: Where they run; may decide how many classes are matched at once.
    """

    ipc: int
    preset: str = "quick"
    network: str | None = None
    settings: Sequence[tuple[str, str]] = ()
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One condensation, without its seed.

    Attributes:
        recipe: Complete.
        rank: For baseline b: the run starts from the images of this rank in the initialisation of
            ``source``.
        source: The recipe of the full set that baseline b is initialised from, or ``None``.
    """

    recipe: Recipe
    rank: int | None = None
    source: Recipe | None = field(default=None, repr=False)

    @property
    def policy(self) -> str:
        """Name of the recipe's size policy."""
        return name_of("size_policy", type(self.recipe.size_policy)).replace(":", ".")

    @property
    def name(self) -> str:
        """Equal for equal runs of one comparison: ``mdc-most-learnable-ipc10``."""
        rank = "" if self.rank is None else f"-rank{self.rank}"
        return f"{self.recipe.method}-{self.policy}-ipc{self.recipe.ipc}{rank}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSet:
    """One condensed set of a row, and the sizes for which it is evaluated.

    Attributes:
        row: Whose.
        file: Name of its file, without seed and ending.
        runs: What it is made of, one after the other; none for a selection.
        sizes: Images per class at which it is evaluated, ascending.
        ipc: Images per class that it holds.
    """

    row: ComparedRow
    file: str
    runs: tuple[PlannedRun, ...]
    sizes: tuple[int, ...]
    ipc: int

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for sets that hold the same images."""
        images = tuple(run.name for run in self.runs) or (self.row.method,)
        return (*images, "rerank") if self.row.reranked else images


def planned_sets(
    row: ComparedRow, data: ImageData, options: CommonOptions, *, sizes: Sequence[int]
) -> tuple[PlannedSet, ...]:
    """The sets of a row.

    Args:
        row: Which.
        data: Real training images.
        options: What all runs have in common.
        sizes: Images per class to evaluate.

    Raises:
        ConfigError: If a recipe cannot be made, naming the row, or if baseline b has a class with
            fewer than N images: its runs start from different ones.
    """
    sizes, full = tuple(sorted(sizes)), options.ipc

    def recipe(ipc: int) -> Recipe:
        return _recipe(row, data, options, ipc=ipc)

    def planned(runs: Sequence[PlannedRun], *, name: str = "", ipc: int = full) -> PlannedSet:
        own = (ipc,) if name else sizes
        return PlannedSet(row=row, file=row.file + name, runs=tuple(runs), sizes=own, ipc=ipc)

    if row.kind == "selection":
        return (planned([]),)
    if row.kind == "a":
        return tuple(planned([PlannedRun(recipe=recipe(n))], name=f"-ipc{n}", ipc=n) for n in sizes)
    if row.kind == "b":
        fewest = int(data.counts().min())
        if fewest < full:
            raise ConfigError(
                f"Baseline b starts {full} runs from different images of every class, but a class "
                f"of {data.name} has {fewest}. Leave out b, or use --ipc {fewest} or less."
            )
        one, whole = recipe(1), recipe(full)
        runs = [PlannedRun(recipe=one, rank=rank, source=whole) for rank in range(full)]
        if one.init.nested:
            runs[0] = PlannedRun(recipe=one)  # starts where a's smallest run does: the same run
        return (planned(runs),)
    return (planned([PlannedRun(recipe=recipe(full))]),)


def _recipe(row: ComparedRow, data: ImageData, options: CommonOptions, *, ipc: int) -> Recipe:
    method = row.method
    try:
        own = recipe_for(method, data, ipc=ipc, preset=options.preset)
        return resolve(
            data,
            method=method,
            ipc=ipc,
            preset=options.preset,
            size_policy=row.size_policy,
            network=None if own.network == "none" else options.network,
            settings=_settings(row, options.settings),
            device=options.device,
        )
    except CondenseryError as error:
        hint = f" (--set {method}:KEY=VALUE sets a key for {method} alone.)"
        raise type(error)(f"{row.name}: {error}{hint if options.settings else ''}") from error


def _settings(row: ComparedRow, settings: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    own: dict[str, str] = {}
    for given, value in settings:
        scope, _, key = given.rpartition(":")
        if scope in ("", row.method, f"{row.method}:{row.size_policy}"):
            own[key] = value
    return own
