"""Inner steps of the library's own loop, several variants interleaved: what bench.py measures.

A variant is one or more recipes on CIFAR-shaped random images (what a step costs does not depend
on what is in them). ``Run`` takes whole inner steps, and without network steps those of matching;
``Update`` trains the network alone. Knows nothing about which figures are made of them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from condensery.augment import Identity
from condensery.condensing.loop import initial_state, networks_of, run_together
from condensery.condensing.objectives import DistributionMatching, GradientMatching
from condensery.condensing.progress import State
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import RandomPerClass
from condensery.condensing.schedules import Redraw, RunContext
from condensery.condensing.sizes import MatchedSets, OneSize, weighted
from condensery.data import ImageData
from condensery.methods import recipe_for
from condensery.parameterizations import Pixels
from condensery.rng import stream

__all__ = [
    "EACH", "OURS", "REFERENCE", "TIMED", "FixedSizes",
    "Run", "Timed", "Update", "baseline_a", "images",
    "interleaved", "mdc",
]  # fmt: skip

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
class FixedSizes(OneSize):
    """Always the same sizes: a subset costs what it costs, whichever is chosen."""

    sizes: tuple[int, ...]

    def sets(self, state: Mapping[str, Tensor], *, outer: int, rng: Any) -> MatchedSets:
        """These sizes for every class."""
        del outer, rng
        images = torch.stack([torch.full_like(state["counts"], size) for size in self.sizes])
        return weighted(images, "uniform")


def mdc(data: ImageData, *, ipc: int = 10, steps: int = 32, **changes: Any) -> Recipe:
    """The published setting with the full set and its half, ``steps`` network steps in between."""
    recipe = recipe_for("mdc", data, ipc=ipc, preset="paper")
    assert isinstance(recipe.schedule, Redraw)
    sizes = FixedSizes(sizes=(ipc, max(1, ipc // 2)) if ipc > 1 else (1,))
    schedule = replace(recipe.schedule, steps=steps, inner=1000)
    return replace(recipe, **{"size_policy": sizes, "schedule": schedule, **changes})


EACH = 10
"""One-image runs of baseline B."""


def baseline_a(data: ImageData, ipc: int = 10, **changes: Any) -> dict[int, Recipe]:
    """A run of its own for every size: IDC."""
    return {
        n: mdc(data, ipc=n, size_policy=FixedSizes(sizes=(n,)), **changes)
        for n in range(1, ipc + 1)
    }


class Timed(ABC):
    """Something that is done again and again."""

    @abstractmethod
    def step(self) -> object:
        """Do it once."""

    def seconds(self) -> float:
        """How long it takes to do it once."""
        begin = time.perf_counter()
        self.step()
        return time.perf_counter() - begin


class Run(Timed):
    """Inner steps of recipes in one batch; the first, which compiles, is already taken."""

    def __init__(
        self, *recipes: Recipe, data: ImageData, starts: Sequence[State] | None = None
    ) -> None:
        if starts is None:
            starts = [initial_state(recipe, data, seed=seed) for seed, recipe in enumerate(recipes)]
        self._steps = run_together(recipes, data, seed=0, states=starts)
        self.step()

    def step(self) -> object:
        """One inner step."""
        return next(self._steps)


class Update(Timed):
    """The training of the network between two image updates, alone."""

    def __init__(self, recipe: Recipe, data: ImageData) -> None:
        build = networks_of(recipe, data)
        world = RunContext(
            data=data,
            network=lambda *path: build(seed=0, path=path),
            synthetic=lambda: initial_state(recipe, data, seed=0).stored,
            seed=0,
            precision=recipe.precision,
            compiled=recipe.compiled,
        )
        self._moments = recipe.schedule.contexts(0, world)
        self.step()

    def step(self) -> object:
        """Nothing is done meanwhile, so the schedule trains on the way to the next moment."""
        return next(self._moments)


def _batched(data: ImageData, **how: Any) -> Run:
    """Baselines A, B, C (the run of A at full size, cut) and MDC together."""
    a = baseline_a(data, **how)
    return Run(*a.values(), *[a[1]] * EACH, mdc(data, **how), data=data)


def _real(data: ImageData, **changes: Any) -> Timed:
    """Matching steps of a method that matches 256 real images a class, without a network step."""
    plain = {"parameterization": Pixels(), "sampler": RandomPerClass(batch=256)}
    sizes = FixedSizes(sizes=(10,))
    return Run(mdc(data, steps=0, size_policy=sizes, **plain, **changes), data=data)


TIMED: Mapping[str, Callable[..., Timed]] = {
    # the whole step: ours trains the network while it updates the images
    "inner_step": lambda data, **how: Run(mdc(data, **how), data=data),
    # all but the training of the network: draws, gradients, their distance, the image update
    "matching": lambda data, **how: Run(mdc(data, steps=0, **how), data=data),
    # 32 steps of batch 64 on real images, with augmentation and CutMix, alone
    "network_update": lambda data, **how: Update(mdc(data, **how), data),
    # 21 sets in one batch: A, B, C and MDC
    "batched": _batched,
    # row cosine over all parameters
    "dc_step": lambda data, **how: _real(
        data,
        objective=GradientMatching(metric="cosine", parameters="all"),
        augment=Identity(),
        **how,
    ),
    # mean features of a fresh network
    "dm_iteration": lambda data, **how: _real(data, objective=DistributionMatching(), **how),
}
"""What is timed for the figure of a name, given the data and a variant."""


def interleaved(runs: Mapping[str, Timed], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of ``rounds`` steps of each, one after the other, after one that does not count."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            seconds = run.seconds()
            if round_:
                took[name].append(seconds)
    return took
