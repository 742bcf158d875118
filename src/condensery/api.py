"""What Python users call: ``condense`` resolves a recipe and hands out the run.

Knows nothing about files or terminals: whoever iterates decides about these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condensery.artifact import CondensedSet
from condensery.data import Data, ImageData, whitened
from condensery.engines import NOT_COMPILED, Fused, choose, native_bf16, pays_to_compile
from condensery.errors import ConfigError, nearest
from condensery.experts import Order
from condensery.loop import networks_of, run, start
from condensery.methods import recipe_for
from condensery.progress import Progress, State
from condensery.recipe import PARTS, Recipe, changed, to_json
from condensery.schedules import Experts
from condensery.toolchain import cannot_compile, fell_back, go_uncompiled
from condensery.training import SWEEP_AFTER, is_analytic

__all__ = ["Condensation", "condense", "resolve", "settled", "train_experts"]


class Condensation:
    """A run that has not happened yet: iterate for progress, or ask for the result.

    Attributes:
        recipe: Resolved, complete.
        data: Real training images, whitened if the recipe says so.
        seed: Of every draw.
        state: After the last step taken; the result is made of it at any time.
        buffer: Folder for experts' trajectories, where the recipe names none; may be set until
            the first step, and never changes the result. None: they are kept in memory.
    """

    buffer: Path | None = None

    def __init__(
        self,
        recipe: Recipe,
        data: ImageData,
        *,
        seed: int,
        state: State | None = None,
        device: str = "cpu",
    ) -> None:
        self.recipe = recipe
        self.data = data = whitened(data, recipe.whiten)
        self.seed = seed
        self.device = device
        self.state = start(recipe, data, seed=seed) if state is None else state
        self._steps = self._run()

    def __iter__(self) -> Iterator[Progress]:
        """Progress after progress; breaking off and iterating again goes on where it stopped."""
        return self._steps

    def _run(self) -> Iterator[Progress]:
        steps = run(self._kept(), self.data, seed=self.seed, state=self.state, device=self.device)
        for progress in steps:
            self.state = progress.state
            yield progress

    @property
    def ran(self) -> Recipe:
        """The recipe as it ran: uncompiled, with the reason, where compiling failed on the way."""
        cause = fell_back() if self.recipe.compiled else None
        return self.recipe if cause is None else _uncompiled(self.recipe, cause)

    def experts(self) -> Order | None:
        """The experts that the run draws from; iterating trains those that are missing.

        None where it needs none. The run trains an expert itself when it is first drawn.
        """
        recipe = self._kept()
        if not isinstance(recipe.schedule, Experts):
            return None
        return recipe.schedule.order(self.data, network=recipe.network, device=self.device)

    def _kept(self) -> Recipe:
        """The recipe with a place for the experts; not the one that goes into files."""
        schedule = self.recipe.schedule
        if self.buffer is None or not isinstance(schedule, Experts) or schedule.buffer:
            return self.recipe
        return replace(self.recipe, schedule=replace(schedule, buffer=str(self.buffer)))

    def result(self, *, created: str | None = None) -> CondensedSet:
        """Finish the run and return its condensed set.

        Args:
            created: Text for the file's ``created``; the time now if not given.
        """
        for _ in self:
            pass
        return self.so_far(created=created)

    def so_far(self, *, created: str | None = None) -> CondensedSet:
        """The condensed set of the steps taken so far: an anytime result."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        step, whitening = self.state.stored.step, self.data.whitening
        return CondensedSet.from_stored(
            self.state.stored.to("cpu"),
            name=f"{self.data.name}-{self.recipe.method}-ipc{self.recipe.ipc}",
            class_names=self.data.class_names,
            decode=self.recipe.parameterization.decode_json(),
            mean=self.data.mean,
            std=self.data.std,
            method=self.recipe.method,
            recipe=to_json(self.ran),
            seed=self.seed,
            data={
                "name": self.data.name,
                "fingerprint": self.data.fingerprint,
                "images": len(self.data),
                "classes": self.data.classes,
            },
            created=now if created is None else created,
            zca=None if whitening is None else whitening.to_json(),
            learned_step_size=None if step is None else float(step),
        )


def condense(
    data: Data | ImageData,
    *,
    method: str = "mdc",
    ipc: int = 10,
    preset: str = "quick",
    sizes: str | None = None,
    network: str | None = None,
    settings: Mapping[str, str] | None = None,
    seed: int = 0,
    device: str = "cpu",
    memory: int | None = None,
) -> Condensation:
    """Condense ``data`` to ``ipc`` images per class.

    Nothing runs yet: ``condense(...).result()`` runs to the end, ``for progress in
    condense(...)`` step by step.

    Args:
        data: What ``load_data`` returned (its training part is used), or training images.
        method: A name of ``condensery methods``.
        ipc: Images per class, 1 to the size of the largest class. A class that has fewer images
            stores all it has.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
        sizes: Another size policy than the method's: ``"one"``, ``"most-learnable"``, ``"all"``,
            ``"random"``; works with every method.
        network: Another matching network, by name or ``"package.module:factory"``.
        settings: Single keys of the recipe, ``{"update.lr": "0.01"}``, as ``--set``.
        seed: Of every draw.
        device: Such as ``"cpu"`` or ``"cuda"``.
        memory: Bytes that a matching pass may take for feature maps, beside images and weights;
            None sets no bound. Never changes the result beyond rounding. Fused engine only.

    Raises:
        ConfigError: For anything unknown or out of range, before any work.
    """
    train = data.train if isinstance(data, Data) else data
    recipe = resolve(
        train,
        method=method,
        ipc=ipc,
        preset=preset,
        sizes=sizes,
        network=network,
        settings=settings or {},
        device=device,
    )
    recipe = recipe if memory is None else _within(memory, recipe, train)
    condensation = Condensation(recipe, train, seed=seed, device=device)
    named = isinstance(recipe.schedule, Experts) and recipe.schedule.buffer
    if named and (order := condensation.experts()) is not None:
        order.check()
    return condensation


def resolve(
    data: ImageData,
    *,
    method: str,
    ipc: int,
    preset: str,
    sizes: str | None,
    network: str | None,
    settings: Mapping[str, str],
    device: str = "cpu",
) -> Recipe:
    """The complete recipe; arguments as ``condense``."""
    recipe = recipe_for(method, data, ipc=ipc, preset=preset)
    if sizes is not None:
        if sizes not in PARTS["sizes"]:
            raise ConfigError(
                f"sizes = {sizes!r} is unknown; known are {', '.join(PARTS['sizes'])}."
                f"{nearest(sizes, PARTS['sizes'])}"
            )
        same = type(recipe.sizes) is PARTS["sizes"][sizes]
        recipe = recipe if same else changed(recipe, "sizes", sizes)
    if network is not None:
        recipe = replace(recipe, network=network)
    for key, value in settings.items():
        recipe = changed(recipe, key, value)
    for key, value in _suited(recipe, data, device).items():
        if key not in settings:
            recipe = changed(recipe, key, value if isinstance(value, str) else json.dumps(value))
    return _possible(recipe, data, settings)


def _possible(recipe: Recipe, data: ImageData, settings: Mapping[str, str]) -> Recipe:
    """The recipe with its engine, and without compiling where torch cannot compile here."""
    schedule = recipe.schedule
    # Experts in a folder that was named may be there already, as compiled code trained them.
    experts = schedule if isinstance(schedule, Experts) and not schedule.buffer else None
    compiled = recipe.compiled or (experts is not None and experts.compiled)
    cause = cannot_compile() if compiled else None
    if cause is None:
        recipe = settled(recipe, data)
        if recipe.engine_reason.endswith(NOT_COMPILED) and "compiled" not in settings:
            why = "the run is too short to compile, or its images are too small"
            recipe = replace(recipe, engine_reason=f"{recipe.engine_reason}: {why}")
        return recipe
    go_uncompiled(cause, what="The run")
    precision = recipe.precision if "precision" in settings else "fp32"
    recipe = replace(recipe, compiled=False, precision=precision)
    if experts is not None:
        precision = experts.precision if "schedule.precision" in settings else "fp32"
        recipe = replace(recipe, schedule=replace(experts, compiled=False, precision=precision))
    return _uncompiled(settled(recipe, data), cause)


def _uncompiled(recipe: Recipe, cause: str) -> Recipe:
    """The recipe with matching uncompiled, and the cause among the reasons of its engine."""
    reason = recipe.engine_reason.removesuffix(NOT_COMPILED)
    reason = f"{reason}{NOT_COMPILED}, as torch cannot compile here: {cause}"
    return replace(recipe, compiled=False, engine_reason=reason)


def _suited(recipe: Recipe, data: ImageData, device: str) -> dict[str, Any]:
    """What the machine decides where the user does not; the recipe records it.

    A run long enough to earn compiling back is compiled, and then in bfloat16 where the processor
    multiplies it (docs/performance.md has sets made in both). So is the training of experts. A CPU
    matches class by class, which its caches like; an accelerator all classes at once.
    """
    updates = recipe.iterations * recipe.schedule.inner
    compiled = recipe.objective.uses_engine and pays_to_compile(
        _network(recipe, data), side=data.side, updates=updates
    )
    alone = torch.device(device).type == "cpu"
    suited = {
        "compiled": compiled,
        "precision": "bf16" if compiled and native_bf16(device) else "fp32",
        "classes_per_pass": 1 if alone else data.classes,
    }
    if isinstance(recipe.schedule, Experts):
        network, steps = _network(recipe, data), recipe.schedule.network_steps(len(data))
        swept = alone and is_analytic(network) and steps >= SWEEP_AFTER
        swept = swept and pays_to_compile(network, side=data.side, updates=steps)
        suited |= {
            "schedule.compiled": swept,
            "schedule.precision": "bf16" if swept and native_bf16(device) else "fp32",
        }
    return suited


def settled(recipe: Recipe, data: ImageData) -> Recipe:
    """The recipe with its engine named, and why it was taken.

    Whoever goes on with a run elsewhere then takes the same engine, or learns that it cannot.
    """
    network = _network(recipe, data)
    own, asked = (
        choose(name, network, recipe.precision, compiled=recipe.compiled)
        for name in ("auto", recipe.engine)
    )
    taken = own if own.name == asked.name else asked  # also when the library chose it earlier
    same = recipe.engine_reason.startswith(taken.reason)  # and says why nothing is compiled
    reason = recipe.engine_reason if same else taken.reason
    return replace(recipe, engine=taken.name, engine_reason=reason)


def _within(memory: int, recipe: Recipe, data: ImageData) -> Recipe:
    """The recipe with passes that fit a budget of bytes."""
    if recipe.engine != "fused":
        raise ConfigError(
            f"memory = {memory:,} bytes bounds the fused engine alone, but this run takes "
            f"{recipe.engine!r} ({recipe.engine_reason}). --set engine=fused takes it where it "
            "knows the network; otherwise leave memory out: one class is matched at a time."
        )
    image = data.normalise(data.pixels(torch.zeros(1, dtype=torch.int64)))
    engine = Fused(precision=recipe.precision)
    engine = engine.within(memory, _network(recipe, data), image, data.labels[:1])
    return replace(recipe, classes_per_pass=1, batch=engine.batch, kept=engine.kept)


def _network(recipe: Recipe, data: ImageData) -> nn.Module:
    """One to look at: which engine serves it, what it takes."""
    return networks_of(recipe, data)(seed=0, path=("engine",))


def train_experts(
    data: Data | ImageData,
    folder: str | Path,
    *,
    method: str = "mtt",
    ipc: int = 10,
    preset: str = "quick",
    network: str | None = None,
    settings: Mapping[str, str] | None = None,
    experts: int | None = None,
    epochs: int | None = None,
    device: str = "cpu",
) -> Order:
    """Train experts into a folder that several runs share, by their ``schedule.buffer``.

    Nothing is trained yet: ``for made in train_experts(...)`` trains what is missing, epoch after
    epoch, and goes on where it was stopped.

    Args:
        data: As in ``condense``.
        folder: Made if absent; one that holds other experts is refused.
        method: One whose schedule is experts.
        ipc: With ``preset`` decides how many epochs are needed, and in ``paper`` the whitening.
        preset: As in ``condense``; decides network and training.
        network: As in ``condense``.
        settings: As in ``condense``, such as ``{"schedule.training.lr": "0.01"}``.
        experts: How many, if not as many as the recipe draws from.
        epochs: Of each, if not as many as the recipe needs.
        device: Such as ``"cpu"`` or ``"cuda"``.

    Raises:
        ConfigError: For anything unknown or out of range, or a method without experts.
        ArtifactError: If the folder holds experts of other data or another training.
    """
    train = data.train if isinstance(data, Data) else data
    recipe = resolve(
        train,
        method=method,
        ipc=ipc,
        preset=preset,
        sizes=None,
        network=network,
        settings=settings or {},
        device=device,
    )
    schedule = recipe.schedule
    if not isinstance(schedule, Experts):
        raise ConfigError(f"method = {method!r} matches no experts. Use mtt.")
    order = replace(schedule, buffer=str(folder)).order(
        whitened(train, recipe.whiten), network=recipe.network, device=device
    )
    order = replace(
        order,
        experts=order.experts if experts is None else experts,
        epochs=order.epochs if epochs is None else epochs,
    )
    order.check()
    return order
