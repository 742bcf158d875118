"""The condensed sets that the rows of a comparison need, and their runs.

A run that several rows need is made once. Knows nothing about files and batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from condensery.api import resolve
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.joining import concatenated
from condensery.condensing.blocks import AT_ONCE
from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.errors import CondenseryError, ConfigError
from condensery.methods import recipe_for
from condensery.registry import name_of, names
from condensery.runs.comparison.rows import ComparedRow, compared_row
from condensery.selection import rule_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOptions:
    """The options of a comparison; see ``compare``.

    Attributes:
        methods: Words of rows.
        ipc: Images per class N of the full sets.
        preset: Preset of every method.
        base: The method of the baselines a, b and c.
        network: Another matching network, or ``None``; methods without a network keep none.
        settings: Recipe keys to change, in order; a key ``method:key`` or ``method:policy:key``
            changes only the runs of that method (with that policy).
        sizes: Images per class of the table, ascending.
        condensations: Number of seeds with which everything is condensed.
        seed: The first seed.
        device: The device of the runs, which may decide the number of classes in a pass.
    """

    methods: tuple[str, ...] = ()
    ipc: int
    preset: str = "quick"
    base: str = "idc"
    network: str | None = None
    settings: Sequence[tuple[str, str]] = ()
    sizes: tuple[int, ...] = ()
    condensations: int = 1
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One condensation, without its seed.

    Attributes:
        recipe: The complete recipe.
        rank: For baseline b: the run starts with the images of this rank in the initialisation of
            ``source``.
        source: For baseline b: the recipe of the full set of the initialisation, or ``None``.
    """

    recipe: Recipe
    rank: int | None = None
    source: Recipe | None = field(default=None, repr=False)

    @property
    def policy(self) -> str:
        """Name of the size policy."""
        return name_of("size_policy", type(self.recipe.size_policy)).replace(":", ".")

    @property
    def name(self) -> str:
        """A name that is equal for equal runs of a comparison: ``mdc-most-learnable-ipc10``."""
        rank = "" if self.rank is None else f"-rank{self.rank}"
        return f"{self.recipe.method}-{self.policy}-ipc{self.recipe.ipc}{rank}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSet:
    """One condensed set of a row, and the sizes for which it is evaluated."""

    row: ComparedRow  # whose
    file: str  # name of its file, without seed and ending
    runs: tuple[PlannedRun, ...]  # what it is made of, one after the other; none for a selection
    sizes: tuple[int, ...]  # images per class at which it is evaluated, ascending
    ipc: int  # images per class that it holds

    @property
    def identity(self) -> tuple[str, ...]:
        """A key that is equal for sets with equal images."""
        images = tuple(run.name for run in self.runs) or (self.row.method, f"ipc{self.ipc}")
        return (*images, "rerank") if self.row.reranked else images


def all_sets(data: ImageData, options: ComparisonOptions) -> tuple[PlannedSet, ...]:
    """The sets of all rows; raises as ``planned_sets``."""
    # What condenses comes first, as in the tables of the papers.
    words = sorted(options.methods, key=lambda word: word in names("selection"))
    rows = [compared_row(word, base=options.base) for word in words]
    return tuple(each for row in rows for each in planned_sets(row, data, options))


def planned_sets(
    row: ComparedRow, data: ImageData, options: ComparisonOptions
) -> tuple[PlannedSet, ...]:
    """The sets that a row needs for these real training images.

    Raises:
        ConfigError: If a recipe cannot be made (names the row), or if a class has fewer than N
            images for baseline b, whose runs start with different images.
    """
    sizes, full = options.sizes, options.ipc

    def recipe(ipc: int) -> Recipe:
        return _recipe(row, data, options, ipc=ipc)

    def planned(runs: Sequence[PlannedRun], *, name: str = "", ipc: int = full) -> PlannedSet:
        own = (ipc,) if name else sizes
        return PlannedSet(row=row, file=row.file + name, runs=tuple(runs), sizes=own, ipc=ipc)

    if row.kind == "selection":
        if row.reranked or rule_of(row.method).prefixes:
            return (planned([]),)
        return tuple(planned([], name=f"-ipc{n}", ipc=n) for n in sizes)
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


def _recipe(row: ComparedRow, data: ImageData, options: ComparisonOptions, *, ipc: int) -> Recipe:
    try:
        own = recipe_for(row.method, data, ipc=ipc, preset=options.preset)
        return resolve(
            data,
            method=row.method,
            ipc=ipc,
            preset=options.preset,
            size_policy=row.size_policy,
            network=None if own.network == "none" else options.network,
            settings=_same_block(data, options.device) | _settings(row, options.settings),
            device=options.device,
        )
    except CondenseryError as error:
        hint = f" (--set {row.method}:KEY=VALUE sets a key for {row.method} alone.)"
        raise type(error)(f"{row.name}: {error}{hint if options.settings else ''}") from error


def _same_block(data: ImageData, device: str) -> dict[str, object]:
    """One size of the blocks for all rows, so that they can share real images and targets."""
    on_cpu = torch.device(device).type == "cpu"
    return {"classes_per_block": min(AT_ONCE, data.classes)} if on_cpu else {}


def _settings(row: ComparedRow, settings: Sequence[tuple[str, str]]) -> dict[str, object]:
    own: dict[str, object] = {}
    for given, value in settings:
        scope, _, key = given.rpartition(":")
        if scope in ("", row.method, f"{row.method}:{row.size_policy}"):
            own[key] = value
    return own


def assembled(sets: Sequence[CondensedSet], *, name: str) -> CondensedSet:
    """One set from the sets of its runs, in which run ``k`` has the images of rank ``k``.

    Args:
        sets: One set is not changed. Several sets (baseline B) have one image of every class each.
        name: Name of the result.

    Raises:
        ConfigError: If one of several sets has more than one image of a class.
    """
    first = sets[0]
    if len(sets) == 1:
        return replace(first, manifest={**first.manifest, "name": name})
    for each in sets:
        if each.sizes != 1 or len(each) != each.classes:
            raise ConfigError(
                f"{each.name} holds {len(each)} images of {each.classes} classes, but sets are "
                "concatenated that hold one image of every class."
            )
    learned = [each.soft_labels for each in sets if each.soft_labels is not None]
    return concatenated(
        sets,
        labels=torch.cat([each.labels for each in sets]),
        rank=torch.cat([each.rank + rank for rank, each in enumerate(sets)]),
        soft_labels=torch.cat(learned) if learned else None,
        manifest={**first.manifest, "name": name, "learned_lr": None},  # every run has its own
    )
