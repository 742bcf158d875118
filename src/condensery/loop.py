"""The one loop: every method is this loop over another recipe.

It draws, binds, asks for the losses of some sets, and moves the stored images. It has no branch
on a method, an objective or a data set. A generator: whoever drives it decides between yields
about logging, checkpoints and stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from condensery import networks
from condensery.data import ImageData
from condensery.engines import choose
from condensery.errors import ConfigError, DataError, NonFiniteLoss
from condensery.objectives import Match, Objective
from condensery.parameterizations import Parameterization
from condensery.recipe import Recipe
from condensery.rng import stream
from condensery.schedules import World
from condensery.types import JOINT, Examples, Groups, Moment, nested

__all__ = ["Progress", "State", "run", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that a run remembers between two outer iterations.

    Attributes:
        outer: Finished outer iterations.
        stored: Stored images in [0, 1] (a step may leave the range a little until the next
            outer iteration), rows sorted by rank, then class.
        update: The image update's state.
        sizes: The size policy's state.
    """

    outer: int
    stored: Examples
    update: Mapping[str, Tensor]
    sizes: Mapping[str, Tensor]

    def tensors(self) -> dict[str, Tensor]:
        """The state as named tensors, for a checkpoint."""
        stored = {name: getattr(self.stored, name) for name in _STORED}
        parts = {"stored": stored, "update": self.update, "sizes": self.sizes}
        return {f"{part}.{name}": t for part, named in parts.items() for name, t in named.items()}

    @staticmethod
    def from_tensors(outer: int, tensors: Mapping[str, Tensor]) -> State:
        """Read what ``tensors`` wrote."""
        parts: dict[str, dict[str, Tensor]] = {"stored": {}, "update": {}, "sizes": {}}
        for path, tensor in tensors.items():
            part, _, name = path.partition(".")
            parts[part][name] = tensor
        stored = Examples(**parts["stored"])
        return State(outer=outer, stored=stored, update=parts["update"], sizes=parts["sizes"])


_STORED = ("images", "labels", "class_", "rank")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What happened at one image update, or, with ``boundary``, at the end of an outer iteration.

    Attributes:
        outer: Outer iteration, from 0.
        inner: Inner iteration, from 0.
        iterations: Outer iterations of the whole run.
        inner_steps: Image updates in an outer iteration.
        losses: ``{size: matching loss summed over classes}``; a size that differs by class reads
            ``"3-7"``.
        frozen: Images per class left alone, ``{smallest, largest over classes}``.
        boundary: Whether the outer iteration is complete: ``state`` can be resumed from.
        state: The run's state after this step.
    """

    outer: int
    inner: int
    iterations: int
    inner_steps: int
    losses: Mapping[str, float]
    frozen: tuple[int, int]
    boundary: bool
    state: State

    @property
    def loss(self) -> float:
        """Sum of the losses of all sizes."""
        return sum(self.losses.values())


def start(recipe: Recipe, data: ImageData, *, seed: int) -> State:
    """The state before the first iteration.

    A class with fewer images than ``recipe.ipc`` stores as many as it has: it ends at a lower
    rank, and gives all it has to every larger size.

    Raises:
        ConfigError: If no class has ``recipe.ipc`` images.
        DataError: If a class has none at all: there is nothing to match its images to.
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
    held = counts.clamp(max=recipe.ipc)
    stored = recipe.parameterization.start(data, counts=held, rng=stream(seed, "init"))
    return State(
        outer=0,
        stored=stored,
        update=recipe.update.start(stored.images),
        sizes=recipe.sizes.start(held),
    )


def run(
    recipe: Recipe, data: ImageData, *, seed: int, state: State | None = None, device: str = "cpu"
) -> Iterator[Progress]:
    """Condense.

    Args:
        recipe: The parts.
        data: Real training images.
        seed: Of every draw; the same recipe, data, seed, machine and number of threads give the
            same bits.
        state: Where to go on, of a ``Progress`` with ``boundary``; None starts anew.
        device: Where networks and matching live; draws are made on the CPU everywhere.

    Yields:
        A ``Progress`` after every image update, and one with ``boundary`` after every outer
        iteration.

    Raises:
        NonFiniteLoss: If a loss is infinite or NaN; names iteration, size and class.
        ConfigError, UnsupportedNetwork: If the parts do not fit the data or each other.

    Source:
        He et al. 2024 (MDC), Algorithm 1, with one image step for all classes
        (``condensery.updates.joint_sgd`` says why that is the same).
    """
    state = start(recipe, data, seed=seed) if state is None else state
    state = _on(state, device)
    build = partial(
        networks.build, recipe.network, channels=data.channels, classes=data.classes, side=data.side
    )
    world = World(
        data=data,
        network=lambda *path: build(seed=seed, path=path),
        seed=seed,
        device=device,
        precision=recipe.precision,
        compiled=recipe.compiled,
    )
    for outer in range(state.outer, recipe.iterations):
        state = replace(state, stored=_clamped(state.stored))
        progress = None
        for progress in _outer(recipe, world, outer, state):
            state = progress.state
            yield progress
        assert progress is not None  # a schedule has at least one moment
        sizes = recipe.sizes.close(state.sizes, outer=outer)
        state = replace(state, outer=outer + 1, sizes=sizes)
        yield replace(progress, boundary=True, state=state)


def _on(state: State, device: str) -> State:
    """Images and update on the device; the size policy counts on the CPU."""
    update = {name: tensor.to(device) for name, tensor in state.update.items()}
    return replace(state, stored=state.stored.to(device), update=update)


def _outer(recipe: Recipe, world: World, outer: int, state: State) -> Iterator[Progress]:
    frozen = recipe.sizes.frozen(state.sizes, outer=outer)  # [class_]
    held = recipe.parameterization.pixel_rank(state.stored) < _of(frozen, state.stored)
    held = held & recipe.sizes.held_exactly
    for moment in recipe.schedule.moments(outer, world):
        bind = _binder(recipe, world, moment)
        examples = recipe.parameterization.decode(state.stored)
        profiles = recipe.sizes.profiles(
            state.sizes, outer=outer, rng=stream(world.seed, "sizes", *moment.at)
        )
        groups = nested(examples, profiles.to(world.device), joint=recipe.objective.joint)
        losses, gradient = _gradient(
            bind(recipe.objective), examples, groups, classes_per_pass=recipe.classes_per_pass
        )
        _check_finite(losses, groups, moment.at, world.data)
        sizes = state.sizes
        if recipe.sizes.probes(outer):
            sizes = recipe.sizes.observe(sizes, _probed(recipe, bind, examples))
        gradient = gradient.masked_fill(
            examples.rank[:, None, None, None] < _of(frozen, examples), 0
        )
        images, update = recipe.update.step(
            state.stored.images,
            _pulled_back(recipe.parameterization, state.stored, gradient),
            state.update,
            held=held,
            remaining=_remaining(recipe, moment.at),
        )
        stored = state.stored.with_images(images)
        state = replace(state, stored=stored, update=update, sizes=sizes)
        yield Progress(
            outer=outer,
            inner=moment.at[1],
            iterations=recipe.iterations,
            inner_steps=recipe.schedule.inner,
            losses=_by_size(losses, profiles),
            frozen=(int(frozen.min()), int(frozen.max())),
            boundary=False,
            state=state,
        )


def _binder(recipe: Recipe, world: World, moment: Moment) -> Callable[[Objective], Match]:
    """Binds any objective to one moment: same network, same real batch, same draw."""
    engine = choose(recipe.engine, moment.network, recipe.precision, compiled=recipe.compiled)
    real = recipe.sampler.draw(world.data, rng=stream(world.seed, "real", *moment.at))
    real = real.to(world.device)
    augmentation = recipe.augment.draw(rng=stream(world.seed, "augment", *moment.at))

    def view(examples: Examples) -> Tensor:
        return augmentation(world.data.normalise(examples.images))

    def bind(objective: Objective) -> Match:
        return objective.bind(
            moment, real, view, engine=engine.engine, classes_per_pass=recipe.classes_per_pass
        )

    return bind


def _gradient(
    match: Match, examples: Examples, groups: Groups, *, classes_per_pass: int
) -> tuple[Tensor, Tensor]:
    """Losses ``[group]`` and the gradient of their sum with respect to the examples' images."""
    losses = examples.images.new_zeros(len(groups))
    gradient = torch.zeros_like(examples.images)
    for rows, members in groups.passes(classes_per_pass):
        leaf = examples.images[members].detach().requires_grad_()
        part = match(examples.rows(members).with_images(leaf), groups.rows(rows).only(members))
        (own,) = torch.autograd.grad(part.sum(), leaf)
        losses[rows] = part.detach()
        gradient[members] += own
    return losses, gradient


@torch.no_grad()
def _probed(recipe: Recipe, bind: Callable[[Objective], Match], examples: Examples) -> Tensor:
    """The probe's loss of every size of every class, ``[class_, size]``."""
    probe = recipe.sizes.probe
    if probe is None:
        raise ConfigError(f"sizes = {recipe.sizes} measures sizes, but it has no probe to do so.")
    classes = int(examples.class_.max()) + 1
    every = torch.arange(1, recipe.ipc + 1, device=examples.class_.device)[:, None]
    groups = nested(examples, every.expand(-1, classes), joint=False)
    return bind(probe)(examples, groups).unflatten(0, (recipe.ipc, classes)).T.cpu()


def _pulled_back(parts: Parameterization, stored: Examples, gradient: Tensor) -> Tensor:
    """The gradient with respect to the stored images: one product with decode's Jacobian."""
    images = stored.images.detach().requires_grad_()
    with torch.enable_grad():
        decoded = parts.decode(stored.with_images(images)).images
    return torch.autograd.grad(decoded, images, gradient)[0]


def _of(frozen: Tensor, examples: Examples) -> Tensor:
    """Each example's entry of a per-class count, ``[example, 1, 1, 1]``."""
    return frozen.to(examples.class_.device)[examples.class_][:, None, None, None]


def _remaining(recipe: Recipe, at: tuple[int, int]) -> float:
    """Share of the run's image updates that is left at a moment, this one included."""
    total = recipe.iterations * recipe.schedule.inner
    return (total - at[0] * recipe.schedule.inner - at[1]) / total


def _clamped(stored: Examples) -> Examples:
    return stored.with_images(stored.images.clamp(0, 1))


def _by_size(losses: Tensor, profiles: Tensor) -> dict[str, float]:
    sums = losses.unflatten(0, (len(profiles), -1)).sum(dim=1).tolist()
    spans = [(int(p.min()), int(p.max())) for p in profiles]
    names = [str(high) if low == high else f"{low}-{high}" for low, high in spans]
    return dict(zip(names, sums, strict=True))


def _check_finite(losses: Tensor, groups: Groups, at: tuple[int, int], data: ImageData) -> None:
    if bool(losses.isfinite().all()):
        return
    bad = int((~losses.isfinite()).nonzero()[0, 0])
    class_ = int(groups.class_[bad])
    name = "all classes" if class_ == JOINT else f"class {data.class_names[class_]!r}"
    raise NonFiniteLoss(
        f"The matching loss is {losses[bad].item()} at outer iteration {at[0]}, inner {at[1]}, "
        f"{name}, size {int(groups.size[bad])}. The step size of the images is probably too "
        "large: lower it (--set update.lr=...) and resume from the last checkpoint."
    )
