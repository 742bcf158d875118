"""The loop that all methods share: a method is a recipe for this loop.

The loop draws real images, binds objectives, and updates the images of every set. It has no branch
for a method, an objective or a data set. It is a generator: between two yields, the caller decides
about logging, checkpoints and stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from condensery import networks
from condensery.condensing import blocks
from condensery.condensing.blocks import check_divisible, class_blocks, own_classes
from condensery.condensing.objectives import Match, Objective
from condensery.condensing.prefetch import Prefetch, same_network
from condensery.condensing.progress import Progress, State, whole_examples
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import real_examples
from condensery.condensing.schedules import RunContext
from condensery.condensing.step import (
    BlockResult,
    asked_sets,
    first_update,
    match_block,
    matched,
    measure_block,
    rows_of,
    update,
)
from condensery.data import ImageData, resident, whitened
from condensery.devices import steps_on
from condensery.engines import Engine, choose
from condensery.errors import ConfigError, DataError
from condensery.parallel import (
    ALONE,
    Processes,
    map_threads,
    overlap,
    single_threaded,
    workers,
)
from condensery.rng import stream
from condensery.types import Examples, StepContext, View


def initial_state(
    recipe: Recipe, data: ImageData, *, seed: int, processes: Processes = ALONE
) -> State:
    """The state before the first iteration, of all classes.

    A class with fewer images than ``recipe.ipc`` stores as many as it has, and larger sizes contain
    all of them.

    Args:
        recipe: The parts.
        data: Real training images.
        seed: The seed of all draws.
        processes: Those that share the work; each makes the images of its classes.

    Raises:
        ConfigError: If no class has ``recipe.ipc`` images.
        DataError: If a class has no images, so that its stored images have no target.
    """
    counts = data.counts()
    if int(counts.min()) == 0:
        raise DataError(
            f"Class {data.class_names[int(counts.argmin())]!r} of {data.name} has no training "
            "image, so nothing can be condensed for it. Leave it out of class_names, or add images."
        )
    if recipe.ipc > int(counts.max()):
        raise ConfigError(
            f"ipc = {recipe.ipc}, but the largest class of {data.name} has {int(counts.max())} "
            f"training images. Use --ipc {int(counts.max())} or less."
        )
    data, counts = whitened(data, recipe.whiten), counts.clamp(max=recipe.ipc)
    network = networks_of(recipe, data)
    own = torch.zeros_like(counts)
    mine = own_classes(recipe, data.classes, processes)
    own[mine] = counts[mine]
    stored = recipe.init.make(
        recipe.parameterization,
        data,
        counts=own,
        rng=stream(seed, "init"),
        network=lambda *path: network(seed=seed, path=path),
    )
    stored = whole_examples(stored, processes)
    stored = recipe.parameterization.begin(stored, rng=stream(seed, "parameterization"))
    for also in (recipe.labels, recipe.learned_lr):
        stored = stored if also is None else also.init(stored, classes=data.classes)
    return begun(recipe, stored, seed=seed)


def begun(recipe: Recipe, stored: Examples, *, seed: int) -> State:
    """The state before the first iteration of a run that starts with these stored images."""
    examples = recipe.parameterization.decode(stored)
    objective = recipe.objective.init(examples, rng=stream(seed, "objective"))
    measure = recipe.size_policy.measure
    if measure not in (None, recipe.objective) and measure.init(examples, rng=stream(seed)):
        raise ConfigError(
            f"size_policy measures with {measure}, which has a state of its own, but only the "
            "objective of a run keeps a state. Measure with the objective of the run, or with one "
            "without a state."
        )
    return State(
        outer=0,
        stored=stored,
        update=first_update(recipe, stored),
        sizes=recipe.size_policy.init(torch.bincount(stored.class_)),
        objective=objective,
    )


def run(
    recipe: Recipe,
    data: ImageData,
    *,
    seed: int,
    state: State | None = None,
    device: str = "cpu",
    processes: Processes = ALONE,
) -> Iterator[Progress]:
    """Condense one set: ``run_together`` of one recipe.

    Args:
        recipe: The parts.
        data: Real training images.
        seed: The seed of all draws. On a CPU, the same recipe, data, seed, machine and number of
            threads give the same bits.
        state: A state to continue from, of a ``Progress`` with ``boundary``; None starts a new run.
        device: The device of networks and matching; random numbers are drawn on the CPU.
        processes: Those that do the run in step, each with its own classes. All have the same
            network, and learn the losses of all classes. Networks that do not see the condensed set
            are trained ahead, those of one outer iteration in each process. The number of processes
            changes no bit.

    Yields:
        A ``Progress`` after every image update, and one with ``boundary`` after every outer
        iteration. Its state has the stored images of this process (``State.whole``).

    Raises:
        NonFiniteLoss: If a loss is infinite or NaN; names iteration, size and class.
        ProcessLost: If another process has ended.
        ConfigError, UnsupportedNetwork: If the parts do not fit the data or each other.
    """
    if state is None:
        state = initial_state(recipe, data, seed=seed, processes=processes)
    together = run_together(
        [recipe], data, seed=seed, states=[state], device=device, processes=processes
    )
    del state  # that of many classes takes gigabytes
    for (progress,) in together:
        yield progress


def run_together(
    recipes: Sequence[Recipe],
    data: ImageData,
    *,
    seed: int,
    states: Sequence[State],
    device: str = "cpu",
    processes: Processes = ALONE,
) -> Iterator[tuple[Progress, ...]]:
    """Condense several sets that share networks, real batches, draws and real targets.

    Every set has the same bits as in a run of its own, and shared work is done once. Sets may
    differ in the number of images, parameterization, objective, sizes, update and initialisation.

    Args:
        recipes: One recipe for each set, at least one; the fields of ``SHARED`` are equal.
        data: Real training images.
        seed: The seed of all draws.
        states: One state for each set, all after the same number of outer iterations. The
            initialisations may come from different seeds. A state has the images of all classes.
        device: See ``run``.
        processes: See ``run``.

    Yields:
        One ``Progress`` for each set after every image update, and after every outer iteration.

    Raises:
        ConfigError: Also if the sets cannot share their networks; names the key that differs.

    Source:
        He et al. 2024 (MDC), Algorithm 1, with one image step for all classes
        (``condensery.condensing.updates.sgd_for_all_classes`` says why that is the same).
    """
    precision = recipes[0].precision
    steps = _together(recipes, data, seed, states, device, processes)
    del states
    yield from steps_on(device, precision, steps)


def _together(
    recipes: Sequence[Recipe],
    data: ImageData,
    seed: int,
    states: Sequence[State],
    device: str,
    processes: Processes,
) -> Iterator[tuple[Progress, ...]]:
    """See ``run_together``."""
    _check_shareable(recipes, states)
    if processes.count > 1 and any(state.objective for state in states):
        raise ConfigError(
            f"objective = {recipes[0].objective} has a state of all classes, so the run cannot be "
            f"divided by classes among {processes.count} processes. Condense with one process."
        )
    for recipe in recipes:
        check_divisible(recipe, data.classes, processes)
        recipe.sampler.check(recipe)
        network = networks_of(recipe, data)(seed=seed, path=("check",))
        for objective in filter(None, (recipe.objective, recipe.size_policy.measure)):
            objective.check(network)
    shared, now = recipes[0], [state.to(device) for state in states]
    del states
    mine = own_classes(shared, data.classes, processes)
    if processes.count > 1:
        now = [state.shard(mine) for state in now]
    data = resident(whitened(data, shared.whiten), device)
    build = networks_of(shared, data)
    run_context = RunContext(
        data=data,
        network=lambda *path: build(seed=seed, path=path),
        synthetic=lambda: recipes[0].parameterization.decode(
            whole_examples(now[0].stored, processes)
        ),
        seed=seed,
        device=device,
        precision=shared.precision,
        compiled=shared.compiled,
        architecture=shared.network,
    )
    provided = shared.sampler.provider(data, device)
    contexts = shared.schedule.contexts
    if processes.count > 1 and not shared.schedule.reads_synthetic:
        first, iterations = now[0].outer, shared.iterations
        contexts = Prefetch(shared.schedule, processes, first=first, iterations=iterations).contexts
    for outer in range(now[0].outer, shared.iterations):
        now[:] = [
            replace(state, stored=_projected(recipe, state.stored))
            for recipe, state in zip(recipes, now, strict=True)
        ]
        draw = shared.sampler.begin(data)
        together: tuple[Progress, ...] = ()
        for context in contexts(outer, run_context):
            context = provided(context)
            engine = _engine(shared, context)
            if shared.schedule.reads_synthetic:
                same_network(context, processes)
            units = _units(recipes, now, context, data.classes, processes)
            drawn = draw(context, classes=mine, rng=stream(seed, "real", *context.at))
            view = _view(shared, run_context, context)
            bound = (
                _bound(
                    recipes,
                    now,
                    context,
                    unit,
                    _real(data, drawn, unit).to(device),
                    view,
                    engine=engine,
                )
                for unit in units
            )
            # The other engines need all threads.
            background = context.background if engine.chunked else None
            with overlap(background), single_threaded(engine.chunked):
                together = _updated(
                    recipes, now, context, bound, run_context, engine=engine, processes=processes
                )
            now[:] = [progress.state for progress in together]
            yield together
        together = tuple(
            _closed(recipe, progress) for recipe, progress in zip(recipes, together, strict=True)
        )
        now[:] = [progress.state for progress in together]
        yield together


SHARED = (
    "network", "augment", "sampler", "schedule", "iterations", "whiten",
    "engine", "precision", "compiled", "classes_per_pass", "classes_per_block",
    "batch", "saved_activations",
)  # fmt: skip
"""Fields that must be equal in recipes that run together."""


def _check_shareable(recipes: Sequence[Recipe], states: Sequence[State]) -> None:
    shared = recipes[0]
    if len(recipes) > 1 and shared.schedule.reads_synthetic:
        raise ConfigError(
            f"{len(recipes)} sets cannot run together: schedule = {shared.schedule} trains "
            "networks on the set itself, so they cannot be shared. Run the sets one by one."
        )
    for name in SHARED:
        found = {str(getattr(recipe, name)) for recipe in recipes}
        if len(found) > 1:
            raise ConfigError(
                f"The sets cannot run together: {name} is {' and '.join(sorted(found))}. Use one "
                "value for all, or run the sets one by one."
            )
    outer = {state.outer for state in states}
    if len(outer) > 1:
        raise ConfigError(
            f"The sets cannot run together: they have done {sorted(outer)} outer iterations. Go on "
            "from states of one iteration."
        )


def networks_of(recipe: Recipe, data: ImageData) -> Callable[..., nn.Module]:
    """A function that builds networks of the recipe from a seed and a path."""
    return partial(
        networks.build, recipe.network, channels=data.channels, classes=data.classes, side=data.side
    )


def _closed(recipe: Recipe, progress: Progress) -> Progress:
    """The progress at the end of an outer iteration."""
    state, outer = progress.state, progress.outer
    sizes = recipe.size_policy.close(state.sizes, outer=outer)
    return replace(progress, boundary=True, state=replace(state, outer=outer + 1, sizes=sizes))


def _engine(recipe: Recipe, context: StepContext) -> Engine:
    return choose(
        recipe.engine,
        context.network,
        recipe.precision,
        compiled=bool(recipe.compiled),
        batch=recipe.batch,
        saved_activations=recipe.saved_activations,
    ).engine


_Matches: TypeAlias = list[tuple[Sequence[int], Match]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """What was bound for a unit.

    Attributes:
        matches: The bound objectives of every set: the classes of each block, and their match.
        real: The real examples of the unit; None where they are not needed again.
        view: The view of the image update.
    """

    matches: Sequence[Mapping[Objective, _Matches]]
    real: Examples | None
    view: View


def _units(
    recipes: Sequence[Recipe],
    states: Sequence[State],
    context: StepContext,
    classes: int,
    processes: Processes,
) -> list[Sequence[range]]:
    """The blocks of this process whose real images are made and bound at the same time.

    A unit has at most ``blocks.AT_ONCE`` classes, or one block, which bounds the memory of real
    images and of their targets. It has all blocks where an objective needs all classes: because it
    compares sets of all classes, or because its state is of all classes.
    """
    own = processes.own(class_blocks(recipes[0], classes))
    every = any(
        bool(state.objective) or any(each.all_classes for each in matched(recipe, context))
        for recipe, state in zip(recipes, states, strict=True)
    )
    each = len(own) if every else max(1, blocks.AT_ONCE // len(own[0]))
    return [own[first : first + each] for first in range(0, len(own), each)]


def _view(shared: Recipe, run_context: RunContext, context: StepContext) -> View:
    """The view of a step: normalised images under one draw of the augmentation."""
    augmentation = shared.augment.draw(rng=stream(run_context.seed, "augment", *context.at))

    def view(examples: Examples) -> Tensor:
        return augmentation(run_context.data.normalise(examples.images))

    return view


def _bound(
    recipes: Sequence[Recipe],
    states: Sequence[State],
    context: StepContext,
    unit: Sequence[Sequence[int]],
    real: Examples,
    view: View,
    *,
    engine: Engine,
) -> _Bound:
    """The bound objectives of every set, for the same network, real images and draw.

    An objective without a state is bound once for all sets that have it. An engine that divides a
    batch itself computes block by block, so that what it computes together depends on the recipe
    alone. The others compute pass by pass, and so may take the whole unit.
    """
    every = [class_ for block in unit for class_ in block]
    together: dict[Objective, _Matches] = {}
    found: list[Mapping[Objective, _Matches]] = []
    for recipe, state in zip(recipes, states, strict=True):
        own: dict[Objective, _Matches] = {}
        for objective in matched(recipe, context):
            stateful = bool(state.objective) and objective == recipe.objective
            known = own if stateful else together
            if objective not in known:
                here = replace(context, state=state.objective) if stateful else context
                divided = engine.chunked and not (stateful or objective.all_classes)
                parts = unit if divided else [every]
                known[objective] = [
                    (
                        block,
                        objective.bind(
                            here,
                            real if len(parts) == 1 else real.rows(rows_of(real, block)),
                            view,
                            engine=engine,
                            classes_per_pass=recipe.classes_per_pass,
                        ),
                    )
                    for block in parts
                ]
            own[objective] = known[objective]
        found.append(own)
    needed = any(state.objective for state in states)
    return _Bound(matches=found, real=real if needed else None, view=view)


def _real(data: ImageData, drawn: Mapping[int, Tensor], unit: Sequence[Sequence[int]]) -> Examples:
    """The real examples that were drawn for the classes of a unit."""
    return real_examples(data, torch.cat([drawn[class_] for block in unit for class_ in block]))


def _updated(
    recipes: Sequence[Recipe],
    states: Sequence[State],
    context: StepContext,
    bound: Iterable[_Bound],
    run_context: RunContext,
    *,
    engine: Engine,
    processes: Processes,
) -> tuple[Progress, ...]:
    """Every set after an update of its images and of the state of its objective."""
    data, seed = run_context.data, run_context.seed
    batch_size = engine.batch_size(data.images)
    concurrent = [
        _small(recipe, classes=data.classes, engine=engine, batch_size=batch_size)
        for recipe in recipes
    ]
    asked = [
        asked_sets(recipe, state, at=context.at, seed=seed)
        for recipe, state in zip(recipes, states, strict=True)
    ]
    results: list[list[BlockResult]] = [[] for _ in recipes]
    measured: list[list[Tensor]] = [[] for _ in recipes]
    last: _Bound | None = None
    for last in bound:

        def match(place: int, own: _Bound = last) -> None:
            recipe, stored, matches = recipes[place], states[place].stored, own.matches[place]
            results[place] += [
                match_block(recipe, stored, found, block, asked=asked[place], batch_size=batch_size)
                for block, found in matches[recipe.objective]
            ]
            measure = recipe.size_policy.measure
            if measure is not None and recipe.size_policy.measures(context.at[0]):
                measured[place] += [
                    measure_block(recipe, stored, found, block, total=data.classes)
                    for block, found in matches[measure]
                ]

        _for_each_set(match, concurrent)
    assert last is not None
    return tuple(
        _advanced(
            recipe,
            state,
            update(
                recipe,
                state,
                results[place],
                torch.cat(measured[place]).cpu() if measured[place] else None,
                asked=asked[place],
                at=context.at,
                data=data,
                processes=processes,
            ),
            context,
            last,
            engine=engine,
        )
        for place, (recipe, state) in enumerate(zip(recipes, states, strict=True))
    )


def _advanced(
    recipe: Recipe,
    before: State,
    progress: Progress,
    context: StepContext,
    bound: _Bound,
    *,
    engine: Engine,
) -> Progress:
    """The progress with the next state of the objective."""
    if not before.objective:
        return progress
    assert bound.real is not None
    objective = recipe.objective.advance(
        replace(context, state=before.objective),
        bound.real,
        recipe.parameterization.decode(progress.state.stored),
        bound.view,
        engine=engine,
    )
    return replace(progress, state=replace(progress.state, objective=objective))


def _for_each_set(one: Callable[[int], None], concurrent: Sequence[bool]) -> None:
    """``one`` of every set by its place, first of the concurrent ones, in threads."""
    small = [place for place, own in enumerate(concurrent) if own]
    for _ in map_threads(one, small, chunks=workers()):
        pass
    for place, own in enumerate(concurrent):
        if not own:
            one(place)


def _small(recipe: Recipe, *, classes: int, engine: Engine, batch_size: int) -> bool:
    """Whether a set may be matched at the same time as others.

    The feature maps of a large set fill the memory limit already, and its passes are long enough
    to use all threads.
    """
    together = classes if recipe.objective.all_classes else 1
    examples = together * recipe.ipc * recipe.parameterization.examples_each
    engine_only = engine.chunked and recipe.objective.uses_engine
    return engine_only and recipe.saved_activations is None and examples <= batch_size


def _projected(recipe: Recipe, stored: Examples) -> Examples:
    """The stored tensors and everything else that is learned, moved into their allowed range."""
    stored = recipe.parameterization.project(stored)
    for also in (recipe.labels, recipe.learned_lr):
        stored = stored if also is None else also.project(stored)
    return stored
