"""The functions for Python users: ``condense`` resolves a recipe and returns the run.

Knows nothing about files or terminals: the code that iterates over a run decides about these.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import torch

from condensery.augment import Augment
from condensery.condensed.artifact import CondensedSet
from condensery.condensing.blocks import check_divisible
from condensery.condensing.init import Init
from condensery.condensing.loop import initial_state, run
from condensery.condensing.machine_choices import fitted, halved, uncompiled, within
from condensery.condensing.objectives import Objective
from condensery.condensing.progress import Progress, State
from condensery.condensing.recipe import Recipe, read_recipe, to_json
from condensery.condensing.samplers import Sampler
from condensery.condensing.schedules import Schedule
from condensery.condensing.sizes import SizePolicy
from condensery.condensing.updates import ImageUpdate, Learned
from condensery.data import Data, ImageData, whitened
from condensery.devices import usable
from condensery.engines.toolchain import fell_back
from condensery.errors import ConfigError
from condensery.experts import ExpertSet, cached
from condensery.methods import USUAL_METHOD, recipe_for
from condensery.parallel import ALONE, Pool, Processes, pool_of
from condensery.parameterizations import Parameterization
from condensery.parts import changed
from condensery.registry import find

_log = logging.getLogger(__name__)


class Condensation:
    """A run that has not started yet: iterate over it for progress, or ask for the result.

    Attributes:
        recipe: Resolved, complete. If memory is short, it gets smaller passes once.
        data: Real training images, whitened if the recipe says so.
        seed: Of every draw.
        state: The state after the last step; a result can be made of it at any time. With several
            processes it has the images of this process (``whole_state``).
        device: The device of networks and matching.
        processes: Those that condense in step.
        start_cpu_seconds: CPU seconds for the initialisation of the images; about 0 if ``state``
            was given.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: ImageData,
        *,
        seed: int,
        state: State | None = None,
        device: str = "cpu",
        processes: Processes = ALONE,
    ) -> None:
        check_divisible(recipe, data.classes, processes)
        self.recipe = recipe
        self.data = data = whitened(data, recipe.whiten)
        self.seed = seed
        self.device = device
        self.processes = processes
        began = time.process_time()
        if state is None:
            state = initial_state(recipe, data, seed=seed, processes=processes)
        self.state, self._whole = state.to(device), True
        self.start_cpu_seconds = time.process_time() - began
        self._steps = self._run()

    def __iter__(self) -> Iterator[Progress]:
        """The progress of each step; a second iteration continues where the first one stopped."""
        return self._steps

    def _run(self) -> Iterator[Progress]:
        """Run to the end; once, if memory is short, with smaller passes from the last boundary.

        Several processes do not try again: one alone would no longer do what the others do.
        """
        last = (-1, -1)
        boundary: State | None = self.state
        half = halved(self.recipe) if self.processes.count == 1 else None
        for smaller in (half, None):
            recipe = with_place(self.recipe, self.data)
            steps = run(
                recipe,
                self.data,
                seed=self.seed,
                state=boundary,
                device=self.device,
                processes=self.processes,
            )
            boundary = None if smaller is None else boundary  # that of many classes takes gigabytes
            try:
                for progress in steps:
                    if progress.boundary:
                        boundary = None if smaller is None else progress.state
                    elif (at := (progress.outer, progress.inner)) <= last:
                        continue  # it was reported before memory was short
                    else:
                        last = at
                    self.state, self._whole = progress.state, False
                    yield progress
                return
            except torch.OutOfMemoryError as error:
                cause = str(error).partition("\n")[0]
                if smaller is None:
                    raise ConfigError(_too_large(self.recipe, cause)) from error
            assert boundary is not None
            # here the tensors of the failed step are free
            _log.warning(
                "%s is out of memory (%s). The run goes on after iteration %d with %s instead of "
                "%s, which changes results by rounding only. Its recipe says so.",
                self.device, cause, boundary.outer, _pass(smaller), _pass(self.recipe),
            )  # fmt: skip
            self.recipe, self.state = smaller, boundary
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def whole_state(self) -> State:
        """The state with the images of all processes, which all call this function."""
        return self.state if self._whole else self.state.whole(self.processes)

    @property
    def ran(self) -> Recipe:
        """The recipe as it ran.

        It has the smaller passes of a run whose memory was short. If compiling failed, it says
        ``compiled=False`` and the reason.
        """
        cause = fell_back() if self.recipe.compiled else None
        return self.recipe if cause is None else uncompiled(self.recipe, cause)

    def experts(self) -> ExpertSet | None:
        """The experts that the run draws from; iterating over them trains the missing ones.

        None if the run needs no experts. The run itself trains an expert when it first draws it.
        """
        recipe = with_place(self.recipe, self.data)
        return recipe.schedule.experts(self.data, network=recipe.network, device=self.device)

    def result(self, *, created: str | None = None) -> CondensedSet:
        """Finish the run and return its condensed set.

        Args:
            created: Text for ``created`` of the file; the current time if not given.
        """
        for _ in self:
            pass
        return self.snapshot(created=created)

    def snapshot(self, *, created: str | None = None, state: State | None = None) -> CondensedSet:
        """The condensed set after the steps that were taken until now.

        Args:
            created: As in ``result``.
            state: The whole state, if the caller has it already.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        stored = (self.whole_state() if state is None else state).stored
        lr, whitening = stored.learned_lr, self.data.whitening
        experts = self.experts()
        return CondensedSet.from_stored(
            stored.to("cpu"),
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
            learned_lr=None if lr is None else float(lr),
            experts=None if experts is None else experts.record(),
        )


def _pass(recipe: Recipe) -> str:
    """What a pass holds, in words."""
    images = "" if recipe.batch is None else f" and batch = {recipe.batch}"
    return f"classes_per_pass = {recipe.classes_per_pass}{images}"


def _too_large(recipe: Recipe, cause: str) -> str:
    return (
        f"The run does not fit into the memory of its device, with {_pass(recipe)}: {cause}. Use a "
        "smaller classes_per_pass or batch (--set classes_per_pass=1), a smaller sampler.batch or "
        "a narrower network."
    )


def condense(
    data: Data | ImageData,
    *,
    method: str = USUAL_METHOD,
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
    processes: Processes = ALONE,
) -> Condensation:
    """Condense ``data`` to ``ipc`` images per class.

    Nothing runs yet: ``condense(...).result()`` runs to the end, and ``for progress in
    condense(...)`` runs step by step.

    Args:
        data: What ``load_data`` returned (its training part is used), or training images.
        method: A name of ``condensery methods``, or ``"package.module:function"``.
        ipc: Images per class, from 1 to the number of images of the largest class. A class with
            fewer images stores as many as it has.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
        recipe: A complete recipe, or its file, in place of ``method``, ``ipc`` and ``preset``.
            Where ``compiled``, ``precision`` or ``classes_per_pass`` has its default, the value is
            chosen for the machine; ``settings`` fix a value.
        size_policy: Another size policy than that of the recipe: an object, or a name (``condensery
            parts size_policy`` lists them). Works with every method.
        network: Another matching network: a name, or ``"package.module:factory"``.
        objective: Another objective: an object, or a name. The same holds for the parts below.
        parameterization: What is stored, and how it becomes training images.
        schedule: Which networks are matched, and when images are updated.
        sampler: Which real images an image update sees.
        augment: How images are augmented before a network sees them.
        update: How a gradient changes what is stored.
        init: What the stored images are before the first update.
        labels: How labels are learned; ``"none"``: not at all.
        learned_lr: How a learning rate for training on the set is learned; ``"none"``: not at all.
        settings: Single keys of the recipe, ``{"update.lr": 0.01}``, applied after the parts.
            Text is read as the command line reads ``--set``.
        seed: The seed of all random draws.
        device: Such as ``"cpu"`` or ``"cuda"``; ``"auto"`` is a GPU if there is one.
        memory: Limit in bytes for the feature maps of a matching pass, without images and weights;
            None sets no limit. Changes the result by rounding only. For the fused engine only.
        processes: Those that ``torchrun`` started (``condensery.parallel.joined()``), which
            condense in step, each with its own classes.

    Raises:
        ConfigError: If a name is unknown or a value is out of range; before any work.

    Example:
        ``condense(data, method="mdc", objective=GradientMatching(metric="cosine"))``
    """
    train, device = data.train if isinstance(data, Data) else data, usable(device)
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
    resolved = resolved if memory is None else within(memory, resolved, train)
    condensation = Condensation(resolved, train, seed=seed, device=device, processes=processes)
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
    """The complete recipe. Arguments as in ``condense``; ``parts`` has other parts by slot."""
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
    return fitted(recipe, data, asked=settings, complete=given, device=device)


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
    """The recipe before values are chosen for the machine. Arguments as in ``resolve``."""
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
    recipe.sampler.check(recipe)
    return recipe


def with_place(recipe: Recipe, data: ImageData) -> Recipe:
    """The recipe with a folder for its experts: the cache, if the recipe names no folder.

    This recipe is not written into files: the folder of the experts never changes the result.

    Args:
        recipe: Complete.
        data: Real training images, whitened if the recipe says so.
    """
    training = recipe.schedule.expert_training(recipe.network)
    if training is None:
        return recipe
    return replace(recipe, schedule=recipe.schedule.with_buffer(cached(training, data)))


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
    on: str | Pool | None = None,
) -> ExpertSet:
    """Train experts before the runs that draw from them.

    Nothing is trained yet: ``for epoch in train_experts(...)`` trains the missing epochs one by
    one, and continues where an earlier call was stopped.

    Args:
        data: As in ``condense``.
        folder: Created if absent; runs name it as ``schedule.buffer``. A folder with other experts
            is refused. ``None`` is the cache, which runs use by default.
        method: A method whose schedule draws from experts.
        ipc: Decides, with ``preset``, how many epochs are needed, and in ``paper`` the whitening.
        preset: As in ``condense``; decides the network and its training.
        network: As in ``condense``.
        settings: As in ``condense``, such as ``{"schedule.training.lr": "0.01"}``.
        experts: Number of experts; by default as many as the recipe draws from.
        epochs: Epochs of each expert; by default as many as the recipe needs.
        device: Such as ``"cpu"`` or ``"cuda"``; ``"auto"`` is a GPU if there is one.
        on: Where experts are trained: ``None`` in this process, ``"ray"`` or ``"ray:ADDRESS"`` on a
            cluster, or a pool (see ``condensery.parallel``). This process alone writes files.

    Raises:
        ConfigError: If a name is unknown, a value is out of range, or the method has no experts.
        ArtifactError: If the folder holds experts of other data or another training.
    """
    pool = pool_of(on, device=device)
    train = data.train if isinstance(data, Data) else data
    device = usable(device) if pool.device is None else pool.device
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
        raise ConfigError(
            f"method = {method!r} matches no experts. Use mtt, dance, tgdd, ncfm or nested."
        )
    place = cached(training, train) if folder is None else Path(folder)
    order = recipe.schedule.with_buffer(place, instead=True).experts(
        train, network=recipe.network, device=device
    )
    assert order is not None
    order = replace(
        order,
        experts=order.experts if experts is None else experts,
        epochs=order.epochs if epochs is None else epochs,
        pool=pool,
    )
    order.check()
    return order
