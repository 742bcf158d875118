"""How long the work of a comparison takes on this machine: a few steps are taken and timed.

Matching is timed apart from the training of networks, each on as little as shows what it costs.
Knows nothing about what is still to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from condensery.condensing.loop import networks_of, run_together
from condensery.condensing.recipe import Recipe
from condensery.condensing.schedules import NetworkTraining, RunContext
from condensery.data import ImageData
from condensery.parallel import as_completed
from condensery.rng import stream
from condensery.runs.comparison.batches import initial_states
from condensery.runs.comparison.sets import PlannedRun
from condensery.training import Clock, StepTime, Trainer, time_steps, training_steps
from condensery.types import Examples

LONG = 10.0
"""A first step that takes longer is taken for all of them: what it prepares hardly matters."""

_TIMED = 2
"""Steps that are timed; the first one prepares."""


def examples_of(run: PlannedRun, data: ImageData) -> int:
    """Examples that a run matches at every image update, without its subsets."""
    return run.recipe.ipc * data.classes * run.recipe.parameterization.examples_each


def matching(
    runs: Sequence[PlannedRun], data: ImageData, *, seed: int, device: str, clock: Clock
) -> StepTime:
    """An image update of these runs in one batch, without network training and clustering."""
    recipes = [_bare(run.recipe) for run in runs]
    states = initial_states(runs, data, seed=seed)
    steps = run_together(recipes, data, seed=seed, states=states, device=device)
    updates = (each for each in steps if not each[0].boundary)
    return _timed(updates, clock, compiled=recipes[0].compiled)


def clustering(run: PlannedRun, data: ImageData, *, seed: int, device: str, clock: Clock) -> float:
    """Seconds of clustering the real images once and of one image update."""
    recipe = replace(_bare(run.recipe), sampler=run.recipe.sampler)
    states = initial_states([run], data, seed=seed)
    steps = run_together([recipe], data, seed=seed, states=states, device=device)
    before = clock()
    next(steps)
    return clock() - before


def clusterings(recipe: Recipe) -> int:
    """How often a run clusters."""
    return recipe.iterations * recipe.sampler.costly_draws(recipe.schedule.updates)


def network_training(run: PlannedRun, data: ImageData, *, device: str) -> NetworkTraining | None:
    """The network training of a run; ``None`` where there is none that can be told apart."""
    recipe = run.recipe
    context = RunContext(
        data=data,
        network=networks_of(recipe, data),
        synthetic=_no_set,
        seed=0,
        device=device,
        precision=recipe.precision,
        compiled=recipe.compiled,
        architecture=recipe.network,
    )
    return recipe.schedule.network_training(
        context, iterations=recipe.iterations, examples=examples_of(run, data)
    )


def _no_set() -> Examples:
    raise AssertionError("An estimate of time looks at no synthetic set.")


def step_seconds(
    run: PlannedRun, need: NetworkTraining, data: ImageData, *, seed: int, device: str, clock: Clock
) -> StepTime:
    """A network step of a run, on real images; of a thread, where every network has one."""
    network = networks_of(run.recipe, data)(seed=seed, path=("pace",)).to(device)
    trainer = Trainer(network, need.training, precision=need.precision, compiled=need.compiled)
    images, labels = some(data, need.batch, seed=seed)
    timed = partial(
        steps_timed,
        trainer,
        images.to(device),
        labels.to(device),
        compiled=need.compiled,
        seed=seed,
        clock=clock,
    )
    return timed() if need.at_once is None else on_a_thread(timed)


def on_a_thread(timed: Callable[[], StepTime]) -> StepTime:
    """As long as it takes a network that is trained beside others."""

    def task() -> Generator[StepTime]:
        yield timed()

    (found,) = as_completed([task()])
    return found


def some(data: ImageData, many: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """A batch of real images, normalised, and their labels."""
    index = torch.randint(len(data), (many,), generator=stream(seed, "pace", "batch"))
    return data.normalise(data.pixels(index)), data.labels[index]


def steps_timed(
    trainer: Trainer, images: Tensor, labels: Tensor, *, compiled: bool, seed: int, clock: Clock
) -> StepTime:
    """Steps on the same batch."""
    steps = training_steps(trainer, images, labels, rng=stream(seed, "pace", "step"))
    return _timed(steps, clock, compiled=compiled)


def _timed(steps: Iterator[object], clock: Clock, *, compiled: bool) -> StepTime:
    return time_steps(steps, least=_TIMED, enough=LONG, compiled=compiled, clock=clock)


def _bare(recipe: Recipe) -> Recipe:
    """The recipe without network training and clustering, long enough to take a few updates."""
    schedule = recipe.schedule.untrained()
    iterations = -(-(1 + _TIMED) // schedule.updates)
    return replace(recipe, iterations=iterations, schedule=schedule, sampler=recipe.sampler.cheap())
