"""What Python users call: ``condense`` resolves a recipe and hands out the run.

Knows nothing about files or terminals: whoever iterates decides about these.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condensery.augment import Augment
from condensery.condensed.artifact import CondensedSet
from condensery.condensing.init import Init
from condensery.condensing.loop import initial_state, networks_of, run
from condensery.condensing.objectives import Objective
from condensery.condensing.progress import Progress, State
from condensery.condensing.recipe import Recipe, changed, read_recipe, to_json
from condensery.condensing.samplers import Sampler
from condensery.condensing.schedules import Schedule
from condensery.condensing.sizes import SizePolicy
from condensery.condensing.updates import ImageUpdate, Learned
from condensery.data import Data, ImageData, whitened
from condensery.engines import NOT_COMPILED, Fused, choose, native_bf16, pays_to_compile
from condensery.engines.toolchain import cannot_compile, fell_back, go_uncompiled
from condensery.errors import ConfigError
from condensery.experts import ExpertSet, cached
from condensery.methods import recipe_for
from condensery.parameterizations import Parameterization
from condensery.registry import find

__all__ = ["Condensation", "condense", "resolve", "settled", "train_experts"]


class Condensation:
    """A run that has not happened yet: iterate for progress, or ask for the result.

    Attributes:
        recipe: Resolved, complete.
        data: Real training images, whitened if the recipe says so.
        seed: Of every draw.
        state: After the last step taken; the result is made of it at any time.
        start_cpu_seconds: What choosing the first images took; about 0 for a given state.
    """

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
        began = time.process_time()
        self.state = initial_state(recipe, data, seed=seed) if state is None else state
        self.start_cpu_seconds = time.process_time() - began
        self._steps = self._run()

    def __iter__(self) -> Iterator[Progress]:
        """Progress after progress; breaking off and iterating again goes on where it stopped."""
        return self._steps

    def _run(self) -> Iterator[Progress]:
        steps = run(self.kept, self.data, seed=self.seed, state=self.state, device=self.device)
        for progress in steps:
            self.state = progress.state
            yield progress

    @property
    def ran(self) -> Recipe:
        """The recipe as it ran: uncompiled, with the reason, where compiling failed on the way."""
        cause = fell_back() if self.recipe.compiled else None
        return self.recipe if cause is None else _uncompiled(self.recipe, cause)

    def experts(self) -> ExpertSet | None:
        """The experts that the run draws from; iterating trains those that are missing.

        None where it needs none. The run trains an expert itself when it is first drawn.
        """
        recipe = self.kept
        return recipe.schedule.experts(self.data, network=recipe.network, device=self.device)

    @property
    def kept(self) -> Recipe:
        """The recipe with a place for the experts: the cache, if it names none.

        Not the one that goes into files: where experts are kept never changes the result.
        """
        schedule = self.recipe.schedule
        training = schedule.expert_training(self.recipe.network)
        if training is None:
            return self.recipe
        return replace(self.recipe, schedule=schedule.with_buffer(cached(training, self.data)))

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
        lr, whitening = self.state.stored.learned_lr, self.data.whitening
        experts = self.experts()
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
            data=self.data.record(),
            created=now if created is None else created,
            zca=None if whitening is None else whitening.to_json(),
            learned_step_size=None if lr is None else float(lr),
            experts=None if experts is None else experts.record(),
        )


def condense(
    data: Data | ImageData,
    *,
    method: str = "mdc",
    ipc: int = 10,
    preset: str = "quick",
    recipe: Recipe | str | Path | None = None,
    size_policy: str | SizePolicy | None = None,
    network: str | None = None,
    objective: str | Objective | None = None,
    parameterization: str | Parameterization | None = None,
    schedule: str | Schedule | None = None,
    sampler: str | Sampler | None = None,
    augment: str | Augment | None = None,
    update: str | ImageUpdate | None = None,
    init: str | Init | None = None,
    labels: str | Learned | None = None,
    learned_lr: str | Learned | None = None,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    device: str = "cpu",
    memory: int | None = None,
) -> Condensation:
    """Condense ``data`` to ``ipc`` images per class.

    Nothing runs yet: ``condense(...).result()`` runs to the end, ``for progress in
    condense(...)`` step by step.

    Args:
        data: What ``load_data`` returned (its training part is used), or training images.
        method: A name of ``condensery methods``, or ``"package.module:function"``.
        ipc: Images per class, 1 to the size of the largest class. A class that has fewer images
            stores all it has.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
        recipe: A complete recipe, or a file of one, in place of what ``method``, ``ipc`` and
            ``preset`` choose. What it leaves at the defaults of ``compiled``, ``precision`` and
            ``classes_per_pass`` is chosen for the machine; ``settings`` fix it.
        size_policy: Another size policy than the recipe's: an object, or a name (``condensery parts
            sizes`` lists them). Works with every method.
        network: Another matching network, by name or ``"package.module:factory"``.
        objective: Another objective: an object, or a name. So are the parts that follow.
        parameterization: What is stored, and how it becomes training images.
        schedule: Which networks are matched, and when images are updated.
        sampler: Which real images an image update sees.
        augment: What images go through before a network sees them.
        update: How a gradient changes what is stored.
        init: What the stored images are before the first update.
        labels: How labels are learned; ``"none"``: not at all.
        learned_lr: How a learning rate for training on the set is learned; ``"none"``: not at all.
        settings: Single keys of the recipe, ``{"update.lr": 0.01}``, applied after the parts.
            Text is read as the command line reads ``--set``.
        seed: Of every draw.
        device: Such as ``"cpu"`` or ``"cuda"``.
        memory: Bytes that a matching pass may take for feature maps, beside images and weights;
            None sets no bound. Never changes the result beyond rounding. Fused engine only.

    Raises:
        ConfigError: For anything unknown or out of range, before any work.

    Example:
        ``condense(data, method="mdc", objective=GradientMatching(metric="cosine"))``
    """
    train = data.train if isinstance(data, Data) else data
    parts: dict[str, object] = {
        "parameterization": parameterization,
        "augment": augment,
        "sampler": sampler,
        "schedule": schedule,
        "objective": objective,
        "size_policy": size_policy,
        "update": update,
        "init": init,
        "labels": labels,
        "learned_lr": learned_lr,
    }
    resolved = resolve(
        train,
        method=method,
        ipc=ipc,
        preset=preset,
        recipe=recipe,
        network=network,
        parts={slot: part for slot, part in parts.items() if part is not None},
        settings=settings or {},
        device=device,
    )
    resolved = resolved if memory is None else _within(memory, resolved, train)
    condensation = Condensation(resolved, train, seed=seed, device=device)
    resolved.schedule.check(condensation.data, network=resolved.network, device=device)
    return condensation


def resolve(
    data: ImageData,
    *,
    method: str,
    ipc: int,
    preset: str,
    recipe: Recipe | str | Path | None = None,
    size_policy: str | SizePolicy | None = None,
    network: str | None = None,
    parts: Mapping[str, object] | None = None,
    settings: Mapping[str, object],
    device: str = "cpu",
) -> Recipe:
    """The complete recipe; arguments as ``condense``, other parts by slot in ``parts``."""
    given = recipe is not None
    recipe = chosen(
        data,
        method=method,
        ipc=ipc,
        preset=preset,
        recipe=recipe,
        network=network,
        parts={**(parts or {}), **({} if size_policy is None else {"size_policy": size_policy})},
        settings=settings,
    )
    for key, value in _suited(recipe, data, device).items():
        if key not in settings and not (given and _is_said(recipe, key)):
            recipe = changed(recipe, key, value)
    return _possible(recipe, data, settings)


def chosen(
    data: ImageData,
    *,
    method: str,
    ipc: int,
    preset: str,
    recipe: Recipe | str | Path | None = None,
    network: str | None = None,
    parts: Mapping[str, object],
    settings: Mapping[str, object],
) -> Recipe:
    """The recipe as a user chooses it, before the machine has a say; arguments as ``resolve``."""
    if recipe is None:
        recipe = recipe_for(method, data, ipc=ipc, preset=preset)
    elif not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    if network is not None:
        recipe = replace(recipe, network=network)
    for slot, part in parts.items():
        same = isinstance(part, str) and type(getattr(recipe, slot)) is find(slot, part)
        recipe = recipe if same else changed(recipe, slot, part)  # its own choices stay
    for key, value in settings.items():
        recipe = changed(recipe, key, value)
    return recipe


def _is_said(recipe: Recipe, key: str) -> bool:
    """Whether a recipe that was given says something else here than what it says by default."""
    part: Any = recipe
    for step in key.split(".")[:-1]:
        part = getattr(part, step)
    last = key.split(".")[-1]
    (own,) = (f for f in fields(part) if f.name == last)
    return getattr(part, last) != own.default


def _possible(recipe: Recipe, data: ImageData, settings: Mapping[str, object]) -> Recipe:
    """The recipe with its engine, and without compiling where torch cannot compile here."""
    cause = cannot_compile() if recipe.compiled or recipe.schedule.compiles else None
    if cause is None:
        recipe = settled(recipe, data)
        if recipe.engine_reason.endswith(NOT_COMPILED) and "compiled" not in settings:
            why = "the run is too short to compile, or its images are too small"
            recipe = replace(recipe, engine_reason=f"{recipe.engine_reason}: {why}")
        return recipe
    go_uncompiled(cause, what="The run")
    precision = recipe.precision if "precision" in settings else "fp32"
    schedule = recipe.schedule.uncompiled(keep_precision="schedule.precision" in settings)
    recipe = replace(recipe, compiled=False, precision=precision, schedule=schedule)
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
    updates = recipe.iterations * recipe.schedule.updates
    compiled = recipe.objective.uses_engine and pays_to_compile(
        _network(recipe, data), side=data.side, updates=updates
    )
    alone = torch.device(device).type == "cpu"
    suited = {
        "compiled": compiled,
        "precision": "bf16" if compiled and native_bf16(device) else "fp32",
        "classes_per_pass": 1 if alone else data.classes,
    }
    own = recipe.schedule.suited(lambda: _network(recipe, data), data, device=device)
    return suited | {f"schedule.{key}": value for key, value in own.items()}


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
    return replace(
        recipe, classes_per_pass=1, batch=engine.batch, saved_activations=engine.saved_activations
    )


def _network(recipe: Recipe, data: ImageData) -> nn.Module:
    """One to look at: which engine serves it, what it takes."""
    return networks_of(recipe, data)(seed=0, path=("engine",))


def train_experts(
    data: Data | ImageData,
    folder: str | Path | None = None,
    *,
    method: str = "mtt",
    ipc: int = 10,
    preset: str = "quick",
    network: str | None = None,
    settings: Mapping[str, str] | None = None,
    experts: int | None = None,
    epochs: int | None = None,
    device: str = "cpu",
) -> ExpertSet:
    """Train experts ahead of the runs that draw from them.

    Nothing is trained yet: ``for made in train_experts(...)`` trains what is missing, epoch after
    epoch, and goes on where it was stopped.

    Args:
        data: As in ``condense``.
        folder: Made if absent, and named by the runs as ``schedule.buffer``; one that holds other
            experts is refused. ``None``: the cache, where runs look by themselves.
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
        size_policy=None,
        network=network,
        settings=settings or {},
        device=device,
    )
    train, training = (
        whitened(train, recipe.whiten),
        recipe.schedule.expert_training(recipe.network),
    )
    if training is None:
        raise ConfigError(f"method = {method!r} matches no experts. Use mtt.")
    place = cached(training, train) if folder is None else Path(folder)
    order = recipe.schedule.with_buffer(place, instead=True).experts(
        train, network=recipe.network, device=device
    )
    assert order is not None
    order = replace(
        order,
        experts=order.experts if experts is None else experts,
        epochs=order.epochs if epochs is None else epochs,
    )
    order.check()
    return order
