"""The choices of a recipe that depend on the machine: engine, compiling, precision, size of a pass.

They are made once, before a run, and recorded in its recipe. On another machine the run continues
with the same choices, or says why it cannot. Knows nothing about methods.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

import torch
from torch import nn

from condensery.condensing.blocks import AT_ONCE
from condensery.condensing.loop import networks_of
from condensery.condensing.recipe import Recipe
from condensery.data import ImageData
from condensery.devices import accelerated, check_precision, free_memory
from condensery.engines import (
    NOT_COMPILED,
    Fused,
    choose,
    native_bf16,
    pays_to_compile,
)
from condensery.engines.fused import supports
from condensery.engines.toolchain import cannot_compile, go_uncompiled
from condensery.errors import ConfigError
from condensery.parts import changed


def fitted(
    recipe: Recipe, data: ImageData, *, asked: Collection[str], complete: bool, device: str
) -> Recipe:
    """The recipe with the choices for this machine and the name of its engine.

    A run is compiled if it is so long that compiling saves time, and it then uses bfloat16 if the
    processor multiplies it (docs/performance.md compares both). The same holds for the training of
    experts. A CPU matches one class in each pass, which fits its caches. A GPU matches as many
    classes as its free memory holds, and other devices match all. A block has as many classes as
    fill the fused engine in one pass.

    Args:
        recipe: The recipe of the method or of the user.
        data: Real images.
        asked: Keys that the user set; they are not changed.
        complete: Whether the user gave a whole recipe. Its non-default values are not changed.
        device: The device of the run.

    Raises:
        ConfigError: If the user asked for an engine that cannot be used for the run.
    """
    network = _network(recipe, data)
    updates = recipe.iterations * recipe.schedule.updates
    compiled = recipe.objective.uses_engine and pays_to_compile(
        network, side=data.side, updates=updates
    )
    on_cpu = not accelerated(device)
    own = recipe.schedule.suited(lambda: network, data, device=device)
    choices = {
        "compiled": compiled,
        "precision": "bf16" if compiled and native_bf16(device) else "fp32",
        "classes_per_pass": 1 if on_cpu else data.classes,
        **({} if on_cpu else _passes(recipe, network, data, device=device)),
        **{f"schedule.{key}": value for key, value in own.items()},
    }
    for key, value in choices.items():
        if key not in asked and not (complete and _differs_from_default(recipe, key)):
            recipe = changed(recipe, key, value)
    check_precision(device, recipe.precision)
    if recipe.compiled == "graphs" and on_cpu:
        raise ConfigError(
            f"compiled = 'graphs' on {device}: only GPUs have CUDA graphs. Use compiled = true."
        )
    recipe = _possible(recipe, network, asked, device=device)
    key = "classes_per_block"
    if key in asked or (complete and _differs_from_default(recipe, key)):
        return recipe
    return replace(recipe, classes_per_block=_classes_per_block(recipe, data, on_cpu=on_cpu))


def _classes_per_block(recipe: Recipe, data: ImageData, *, on_cpu: bool) -> int:
    """As many classes as fill one pass of the engine; on an accelerator those of a pass."""
    if not on_cpu:
        return recipe.classes_per_pass
    engine = choose(
        recipe.engine, _network(recipe, data), recipe.precision, compiled=bool(recipe.compiled)
    ).engine
    examples = recipe.ipc * recipe.parameterization.examples_each
    fill = min(engine.batch_size(data.images) // examples, AT_ONCE, data.classes)
    return max(recipe.classes_per_pass, fill)


def with_engine(recipe: Recipe, data: ImageData) -> Recipe:
    """The recipe with the name of its engine on this machine, and the reason of the choice.

    Raises:
        ConfigError: If the engine that the recipe names cannot be used for the run here.
    """
    return _with_engine(recipe, _network(recipe, data))


def _with_engine(recipe: Recipe, network: nn.Module) -> Recipe:
    own, asked = (
        choose(name, network, recipe.precision, compiled=bool(recipe.compiled))
        for name in ("auto", recipe.engine)
    )
    taken = own if own.name == asked.name else asked  # also when the library chose it earlier
    same = recipe.engine_reason.startswith(taken.reason)  # and says why nothing is compiled
    reason = recipe.engine_reason if same else taken.reason
    return replace(recipe, engine=taken.name, engine_reason=reason)


def uncompiled(recipe: Recipe, cause: str) -> Recipe:
    """The recipe with uncompiled matching; the reason of its engine contains the cause."""
    reason = recipe.engine_reason.removesuffix(NOT_COMPILED)
    reason = f"{reason}{NOT_COMPILED}, as torch cannot compile here: {cause}"
    return replace(recipe, compiled=False, engine_reason=reason)


def within(memory: int, recipe: Recipe, data: ImageData) -> Recipe:
    """The recipe with passes that fit into a number of bytes."""
    if recipe.engine != "fused":
        raise ConfigError(
            f"memory = {memory:,} bytes bounds the fused engine alone, but this run takes "
            f"{recipe.engine!r} ({recipe.engine_reason}). --set engine=fused takes it where it "
            "knows the network; otherwise leave memory out: one class is matched at a time."
        )
    image = data.normalise(data.pixels(torch.zeros(1, dtype=torch.int64)))
    engine = Fused(precision="bf16" if recipe.precision == "bf16" else "fp32")
    engine = engine.within(memory, _network(recipe, data), image, data.labels[:1])
    return replace(
        recipe,
        classes_per_pass=1,
        classes_per_block=1,
        batch=engine.batch,
        saved_activations=engine.saved_activations,
    )


_SHARE = 3
"""A pass takes at most one part in so many of the free memory of a GPU; the rest is for networks,
gradients and what torch keeps."""

_COPIES = 4
"""Activations of an image that exist at the same time in a double backward pass of autograd."""

_BATCH = 512
"""Images of 32x32 pixels in a chunk of the fused engine that keep a GPU busy."""


def _passes(
    recipe: Recipe, network: nn.Module, data: ImageData, *, device: str
) -> dict[str, object]:
    """The choices for passes that fit into the memory of a GPU; empty if it is not known.

    The activations of one image are measured on the CPU.
    """
    free = free_memory(device)
    if free is None or not supports(network):
        return {}
    image = data.normalise(data.pixels(torch.zeros(1, dtype=torch.int64)).cpu())
    one = Fused().activations(network, image, data.labels[:1])
    fit = max(1, free // _SHARE // (_COPIES * one))
    fit = 2 ** (fit.bit_length() - 1)  # little memory that something else takes changes nothing
    synthetic = recipe.ipc * recipe.parameterization.examples_each
    each = max(synthetic, getattr(recipe.sampler, "batch", synthetic))
    height, width = data.side
    busy = max(16, _BATCH * 32 * 32 // (height * width))
    return {
        "classes_per_pass": min(data.classes, max(1, fit // each)),
        "batch": min(busy, fit),
    }


def halved(recipe: Recipe) -> Recipe | None:
    """The recipe with half as many classes, or else images, in a pass; None if there is one."""
    if recipe.classes_per_pass > 1:
        half = recipe.classes_per_pass // 2
        return replace(recipe, classes_per_pass=half, classes_per_block=half)
    if recipe.batch is not None and recipe.batch > 1:
        return replace(recipe, batch=recipe.batch // 2)
    return None


def _differs_from_default(recipe: Recipe, key: str) -> bool:
    """Whether a key of the recipe has another value than its default."""
    part: Any = recipe
    for step in key.split(".")[:-1]:
        part = getattr(part, step)
    last = key.split(".")[-1]
    (own,) = (f for f in fields(part) if f.name == last)
    return getattr(part, last) != own.default


def _possible(recipe: Recipe, network: nn.Module, asked: Collection[str], *, device: str) -> Recipe:
    """The recipe with its engine, and uncompiled if torch cannot compile on this machine.

    Code for a GPU is compiled by other means, so that only its first use shows whether it works.
    """
    compiles = recipe.compiled or recipe.schedule.compiles
    cause = cannot_compile() if compiles and not accelerated(device) else None
    if cause is None:
        recipe = _with_engine(recipe, network)
        if recipe.engine_reason.endswith(NOT_COMPILED) and "compiled" not in asked:
            why = "the run is too short to compile, or its images are too small"
            recipe = replace(recipe, engine_reason=f"{recipe.engine_reason}: {why}")
        return recipe
    go_uncompiled(cause, what="The run")
    precision = recipe.precision if "precision" in asked else "fp32"
    schedule = recipe.schedule.uncompiled(keep_precision="schedule.precision" in asked)
    recipe = replace(recipe, compiled=False, precision=precision, schedule=schedule)
    return uncompiled(_with_engine(recipe, network), cause)


def _network(recipe: Recipe, data: ImageData) -> nn.Module:
    """A network of the recipe, for questions about its engine and its memory."""
    return networks_of(recipe, data)(seed=0, path=("engine",))
