"""The loop that all methods share: a method is a recipe for this loop.

The loop draws real images, binds objectives, and updates the images of every set. It has no branch
for a method, an objective or a data set. It is a generator: between two yields, the caller decides
about logging, checkpoints and stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from condensery import networks
from condensery.condensing.objectives import Match, Objective
from condensery.condensing.progress import Progress, State
from condensery.condensing.recipe import Recipe
from condensery.condensing.samplers import real_examples
from condensery.condensing.schedules import RunContext
from condensery.condensing.step import first_update, matched, step
from condensery.data import ImageData, resident, whitened
from condensery.devices import steps_on
from condensery.engines import Engine, choose
from condensery.errors import ConfigError, DataError
from condensery.parallel import map_threads, overlap, single_threaded, workers
from condensery.rng import stream
from condensery.types import Examples, StepContext, View

__all__ = ["SHARED", "begun", "initial_state", "networks_of", "run", "run_together"]


def initial_state(recipe: Recipe, data: ImageData, *, seed: int) -> State:
    """The state before the first iteration.

    A class with fewer images than ``recipe.ipc`` stores as many as it has, and larger sizes contain
    all of them.

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
    stored = recipe.init.make(
        recipe.parameterization,
        data,
        counts=counts,
        rng=stream(seed, "init"),
        network=lambda *path: network(seed=seed, path=path),
    )
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
    recipe: Recipe, data: ImageData, *, seed: int, state: State | None = None, device: str = "cpu"
) -> Iterator[Progress]:
    """Condense one set: ``run_together`` of one recipe.

    Args:
        recipe: The parts.
        data: Real training images.
        seed: The seed of all draws. On a CPU, the same recipe, data, seed, machine and number of
            threads give the same bits.
        state: A state to continue from, of a ``Progress`` with ``boundary``; None starts a new run.
        device: The device of networks and matching; random numbers are drawn on the CPU.

    Yields:
        A ``Progress`` after every image update, and one with ``boundary`` after every outer
        iteration.

    Raises:
        NonFiniteLoss: If a loss is infinite or NaN; names iteration, size and class.
        ConfigError, UnsupportedNetwork: If the parts do not fit the data or each other.
    """
    state = initial_state(recipe, data, seed=seed) if state is None else state
    for (progress,) in run_together([recipe], data, seed=seed, states=[state], device=device):
        yield progress


def run_together(
    recipes: Sequence[Recipe],
    data: ImageData,
    *,
    seed: int,
    states: Sequence[State],
    device: str = "cpu",
) -> Iterator[tuple[Progress, ...]]:
    """Condense several sets that share networks, real batches, draws and real targets.

    Every set has the same bits as in a run of its own, and shared work is done once. Sets may
    differ in the number of images, parameterization, objective, sizes, update and initialisation.

    Args:
        recipes: One recipe for each set, at least one; the fields of ``SHARED`` are equal.
        data: Real training images.
        seed: The seed of all draws.
        states: One state for each set, all after the same number of outer iterations. The
            initialisations may come from different seeds.
        device: See ``run``.

    Yields:
        One ``Progress`` for each set after every image update, and after every outer iteration.

    Raises:
        ConfigError: Also if the sets cannot share their networks; names the key that differs.

    Source:
        He et al. 2024 (MDC), Algorithm 1, with one image step for all classes
        (``condensery.condensing.updates.sgd_for_all_classes`` says why that is the same).
    """
    precision = recipes[0].precision
    yield from steps_on(device, precision, _together(recipes, data, seed, states, device))


def _together(
    recipes: Sequence[Recipe], data: ImageData, seed: int, states: Sequence[State], device: str
) -> Iterator[tuple[Progress, ...]]:
    """See ``run_together``."""
    _check_shareable(recipes, states)
    if recipes[0].schedule.repeats and any(state.objective for state in states):
        raise ConfigError(
            "schedule.repeats shows a batch and its draws again, but the objective of this run has "
            "a state, which every image update changes. Use schedule.repeats = 0."
        )
    shared, now = recipes[0], [state.to(device) for state in states]
    data = resident(whitened(data, shared.whiten), device)
    build = networks_of(shared, data)
    run_context = RunContext(
        data=data,
        network=lambda *path: build(seed=seed, path=path),
        synthetic=lambda: recipes[0].parameterization.decode(now[0].stored),
        seed=seed,
        device=device,
        precision=shared.precision,
        compiled=shared.compiled,
        architecture=shared.network,
    )
    for outer in range(now[0].outer, shared.iterations):
        now[:] = [
            replace(state, stored=_projected(recipe, state.stored))
            for recipe, state in zip(recipes, now, strict=True)
        ]
        draw = shared.sampler.begin(data)
        together: tuple[Progress, ...] = ()
        kept: dict[tuple[int, int], tuple[list[Mapping[Objective, Match]], int]] = {}
        real, view = None, None
        for context in shared.schedule.contexts(outer, run_context):
            engine = _engine(shared, context)
            if context.again is None or real is None or view is None:
                rng = stream(seed, "real", *context.at)
                drawn = draw(context, classes=range(data.classes), rng=rng)
                real = real_examples(data, torch.cat(list(drawn.values()))).to(device)
                view = _view(shared, run_context, context)
            # The other engines need all threads.
            background = context.background if engine.chunked else None
            with overlap(background), single_threaded(engine.chunked):
                if context.again is None:
                    batch_size = engine.batch_size(real.images)
                    matches = _bound(recipes, now, context, real, view, engine=engine)
                    if shared.schedule.repeats:
                        kept[context.at] = matches, batch_size
                else:
                    matches, batch_size = kept[context.again]
                own = partial(
                    _advanced,
                    context=context,
                    real=real,
                    view=view,
                    engine=engine,
                    batch_size=batch_size,
                    data=data,
                    seed=seed,
                )
                small = partial(_small, classes=data.classes, engine=engine, batch_size=batch_size)
                together = _stepped(own, recipes, now, matches, concurrent=small)
            now[:] = [progress.state for progress in together]
            yield together
        together = tuple(
            _closed(recipe, progress) for recipe, progress in zip(recipes, together, strict=True)
        )
        now[:] = [progress.state for progress in together]
        yield together


SHARED = (
    "network", "augment", "sampler", "schedule", "iterations", "whiten",
    "engine", "precision", "compiled", "classes_per_pass", "batch",
    "saved_activations",
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
        compiled=recipe.compiled,
        batch=recipe.batch,
        saved_activations=recipe.saved_activations,
    ).engine


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
    real: Examples,
    view: View,
    *,
    engine: Engine,
) -> list[Mapping[Objective, Match]]:
    """The bound objectives of every set, for the same network, real batch and draw.

    An objective without a state is bound once for all sets that have it.
    """
    together: dict[Objective, Match] = {}
    found: list[Mapping[Objective, Match]] = []
    for recipe, state in zip(recipes, states, strict=True):
        own: dict[Objective, Match] = {}
        for objective in matched(recipe, context):
            stateful = bool(state.objective) and objective == recipe.objective
            known = own if stateful else together
            if objective not in known:
                here = replace(context, state=state.objective) if stateful else context
                known[objective] = objective.bind(
                    here, real, view, engine=engine, classes_per_pass=recipe.classes_per_pass
                )
            own[objective] = known[objective]
        found.append(own)
    return found


def _advanced(
    recipe: Recipe,
    state: State,
    matches: Mapping[Objective, Match],
    *,
    context: StepContext,
    real: Examples,
    view: View,
    engine: Engine,
    batch_size: int,
    data: ImageData,
    seed: int,
) -> Progress:
    """One set after an update of its images and of the state of its objective."""
    progress = step(
        recipe, state, context=context, matches=matches, batch_size=batch_size, data=data, seed=seed
    )
    if not state.objective:
        return progress
    objective = recipe.objective.advance(
        replace(context, state=state.objective),
        real,
        recipe.parameterization.decode(progress.state.stored),
        view,
        engine=engine,
    )
    return replace(progress, state=replace(progress.state, objective=objective))


def _stepped(
    one: Callable[[Recipe, State, Mapping[Objective, Match]], Progress],
    recipes: Sequence[Recipe],
    states: Sequence[State],
    matches: Sequence[Mapping[Objective, Match]],
    *,
    concurrent: Callable[[Recipe], bool],
) -> tuple[Progress, ...]:
    """``one`` of every set, first of the sets that may be matched at the same time, in threads."""
    sets = list(zip(recipes, states, matches, strict=True))
    small = [place for place, recipe in enumerate(recipes) if concurrent(recipe)]
    found = dict(
        zip(small, map_threads(lambda at: one(*sets[at]), small, chunks=workers()), strict=True)
    )
    return tuple(found[at] if at in found else one(*each) for at, each in enumerate(sets))


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
