"""Inner steps of the library's own loop, several variants interleaved: what bench.py measures.

A variant is one or more recipes on CIFAR-shaped random images (what a step costs does not depend
on what is in them). ``Run.step`` does one inner step, and knows how much of it went into training
the network. Knows nothing about which figures are made of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from condensery.data import ImageData
from condensery.loop import run_together, start
from condensery.methods import recipe_for
from condensery.progress import State
from condensery.recipe import Recipe
from condensery.rng import stream
from condensery.schedules import Redraw, World
from condensery.sizes import OneSize
from condensery.types import Moment

__all__ = ["OURS", "REFERENCE", "Asked", "Run", "Seconds", "images", "interleaved", "mdc"]

REFERENCE: Mapping[str, Any] = {"engine": "autograd", "precision": "fp32", "compiled": False}
OURS: Mapping[str, Any] = {"engine": "fused", "precision": "bf16", "compiled": True}


def images(*, side: int = 32, channels: int = 3, classes: int = 10, each: int = 300) -> ImageData:
    """Random images of equal classes, by default with the shape of CIFAR-10."""
    rng = stream(0, "benchmark", side, channels, classes)
    shape = (classes * each, channels, side, side)
    return ImageData(
        name="cifar10",
        images=torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8),
        labels=torch.arange(classes).repeat(each),
        class_names=tuple(str(c) for c in range(classes)),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(OneSize):
    """Always the same sizes: a subset costs what it costs, whichever is chosen."""

    sizes: tuple[int, ...]

    def profiles(self, state: Mapping[str, Tensor], *, outer: int, rng: Any) -> Tensor:
        """These sizes for every class."""
        del outer, rng
        return torch.stack([torch.full_like(state["counts"], size) for size in self.sizes])


def mdc(data: ImageData, *, ipc: int = 10, steps: int = 32, **changes: Any) -> Recipe:
    """The published setting with the full set and its half, ``steps`` network steps in between."""
    recipe = recipe_for("mdc", data, ipc=ipc, preset="paper")
    assert isinstance(recipe.schedule, Redraw)
    sizes = Asked(sizes=(ipc, max(1, ipc // 2)) if ipc > 1 else (1,))
    schedule = replace(recipe.schedule, steps=steps, inner=1000)
    return replace(recipe, **{"sizes": sizes, "schedule": schedule, **changes})


@dataclass(frozen=True)
class _Timed:
    """A schedule that adds up the time its networks take."""

    schedule: Redraw
    spent: list[float] = field(default_factory=list)
    reads_synthetic: ClassVar[bool] = False

    @property
    def inner(self) -> int:
        return self.schedule.inner

    def moments(self, outer: int, world: World) -> Iterator[Moment]:
        moments = self.schedule.moments(outer, world)
        while True:
            begin = time.perf_counter()
            moment = next(moments)
            self.spent.append(time.perf_counter() - begin)
            yield moment


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of one inner step."""

    network: float
    matching: float

    @property
    def whole(self) -> float:
        """Both."""
        return self.network + self.matching


class Run:
    """Recipes in lockstep; the first step, which compiles and trains nothing, is already taken."""

    def __init__(
        self, *recipes: Recipe, data: ImageData, starts: Sequence[State] | None = None
    ) -> None:
        schedule = recipes[0].schedule
        assert isinstance(schedule, Redraw)
        self._timed = _Timed(schedule)
        recipes = tuple(replace(recipe, schedule=self._timed) for recipe in recipes)
        if starts is None:
            starts = [start(recipe, data, seed=seed) for seed, recipe in enumerate(recipes)]
        self._steps = run_together(recipes, data, seed=0, states=starts)
        self.step()

    def step(self) -> Seconds:
        """One inner step."""
        begin = time.perf_counter()
        next(self._steps)
        whole = time.perf_counter() - begin
        network = self._timed.spent[-1]
        return Seconds(network=network, matching=whole - network)


def interleaved(runs: Mapping[str, Run], *, rounds: int) -> dict[str, list[Seconds]]:
    """``rounds`` steps of every run, one after the other, after one that does not count."""
    took: dict[str, list[Seconds]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            seconds = run.step()
            if round_:
                took[name].append(seconds)
    return took
