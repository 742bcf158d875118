"""One image update of one set: the losses of its sizes by blocks of classes, and a step.

Knows nothing about other sets of a run, and nothing about the steps before and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from condensery.condensing.objectives import Match, Objective
from condensery.condensing.progress import BY_ROW, Progress, State
from condensery.condensing.recipe import Recipe
from condensery.condensing.sizes import MatchedSets
from condensery.condensing.updates import ImageUpdate
from condensery.data import ImageData
from condensery.errors import ConfigError, NonFiniteLoss
from condensery.parallel import ALONE, Processes
from condensery.placed import on, positions
from condensery.rng import stream
from condensery.types import Examples, Groups, StepContext, nested


def learned(recipe: Recipe, stored: Examples | None = None) -> dict[str, ImageUpdate]:
    """The fields of ``Examples`` that a run learns, each with its update.

    With ``stored``, also the tensors that it stores for all rows together, ``shared.NAME``.
    """
    parts = {"images": recipe, "labels": recipe.labels, "learned_lr": recipe.learned_lr}
    found = {name: part.update for name, part in parts.items() if part is not None}
    return found | {
        f"shared.{name}": recipe.update for name in ({} if stored is None else stored.shared)
    }


def first_update(recipe: Recipe, stored: Examples) -> dict[str, dict[str, Tensor]]:
    """The states of all updates before the first step."""
    return {
        name: part.init(_stored(stored, name)) for name, part in learned(recipe, stored).items()
    }


def matched(recipe: Recipe, context: StepContext) -> list[Objective]:
    """The objectives whose matches an image update needs."""
    measure = recipe.size_policy.measure if recipe.size_policy.measures(context.at[0]) else None
    return [recipe.objective, *([] if measure is None else [measure])]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSets:
    """What an image update asks of every class: the matched sets, and the frozen images."""

    sets: MatchedSets
    frozen: Tensor  # [class_]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What the matching of a block of classes gives.

    Attributes:
        classes: The classes of the block, ascending.
        rows: Positions of their stored images.
        losses: Of every set and class, ``[set, class_]``; an objective over all classes has one
            loss for each set, ``[set, 1]``.
        gradients: Of everything that is learned: of the images and labels at ``rows``; of a tensor
            that belongs to all rows, the part of the block.
    """

    classes: Sequence[int]
    rows: Tensor
    losses: Tensor
    gradients: dict[str, Tensor]


def asked_sets(recipe: Recipe, state: State, *, at: tuple[int, int], seed: int) -> AskedSets:
    """What the image update at an ``(outer, inner)`` iteration asks of every class."""
    return AskedSets(
        sets=recipe.size_policy.sets(state.sizes, outer=at[0], rng=stream(seed, "sizes", *at)),
        frozen=recipe.size_policy.frozen(state.sizes, outer=at[0]),
    )


def match_block(
    recipe: Recipe,
    stored: Examples,
    match: Match,
    classes: Sequence[int],
    *,
    asked: AskedSets,
    batch_size: int,
) -> BlockResult:
    """The losses of a block of classes, and their gradient.

    Args:
        recipe: The recipe of the set.
        stored: Its stored images, also those of other classes.
        match: The match of its objective for these classes.
        classes: The classes of the block, ascending.
        asked: What is matched and frozen.
        batch_size: Examples that are matched in one pass if the classes are so small.

    Raises:
        ConfigError: If the objective does not depend on something that is learned.
    """
    rows = rows_of(stored, classes)
    leaves, decoded = _decoded(recipe, stored.rows(rows))
    examples = decoded.with_images(decoded.images.detach())
    all_classes = recipe.objective.all_classes
    groups = nested(examples, asked.sets.images, all_classes=all_classes)
    sets = len(asked.sets.weights)
    weights = asked.sets.weights.repeat_interleave(len(groups) // sets)
    names = list(learned(recipe))
    losses, gradients = _gradients(
        match,
        examples,
        groups,
        weights=weights,
        names=names,
        passes=groups.passes(recipe.classes_per_pass, examples=batch_size),
    )
    left_alone = examples.rank < _of(asked.frozen, examples)
    found = torch.autograd.grad(
        [getattr(decoded, name) for name in names],
        list(leaves.values()),
        [_masked(gradients[name], left_alone) for name in names],
    )
    return BlockResult(
        classes=classes,
        rows=rows,
        losses=losses.unflatten(0, (sets, -1)),
        gradients=dict(zip(leaves, found, strict=True)),
    )


@torch.no_grad()
def measure_block(
    recipe: Recipe, stored: Examples, match: Match, classes: Sequence[int], *, total: int
) -> Tensor:
    """The measured loss of every size of the classes of a block, ``[class_, size]``.

    An objective over all classes has one loss for all of them.

    Args:
        recipe: The recipe of the set.
        stored: Its stored images, also those of other classes.
        match: The match of the measuring objective for these classes.
        classes: The classes of the block, ascending.
        total: Number of classes of the data.
    """
    examples = recipe.parameterization.decode(stored.rows(rows_of(stored, classes)))
    every = torch.arange(1, recipe.ipc + 1)[:, None]
    measure = recipe.size_policy.measure
    assert measure is not None
    groups = nested(examples, every.expand(-1, total), all_classes=measure.all_classes)
    losses = match(examples, groups).unflatten(0, (recipe.ipc, -1))
    return losses.expand(-1, len(classes)).T


def update(
    recipe: Recipe,
    state: State,
    results: Sequence[BlockResult],
    measured: Tensor | None,
    *,
    asked: AskedSets,
    at: tuple[int, int],
    data: ImageData,
    processes: Processes = ALONE,
) -> Progress:
    """Update the images of one set with the results of all blocks.

    Args:
        recipe: The recipe of the set.
        state: The state before the update.
        results: One for each block of this process, ascending by class.
        measured: Their measured losses ``[class_, size]``; None: nothing was measured.
        asked: What was matched and frozen.
        at: The ``(outer, inner)`` iteration.
        data: Used for the names of its classes.
        processes: Those that have the other blocks, which learn the losses of all.

    Raises:
        NonFiniteLoss: If a loss is infinite or NaN; names iteration, size and class.
    """
    classes = torch.tensor([class_ for result in results for class_ in result.classes])
    losses = torch.cat([result.losses for result in results], dim=1).cpu()  # the device waits
    if processes.count > 1:
        losses = processes.merge(losses.T, classes).T.contiguous()
        measured = None if measured is None else processes.merge(measured, classes)
    _check_finite(losses, asked.sets.images, at, data)
    sizes = state.sizes
    if measured is not None:
        sizes = recipe.size_policy.observe(sizes, measured)
    moved, after = _moved(
        recipe,
        state,
        _assembled(state.stored, results, processes),
        asked.frozen,
        remaining=_remaining(recipe, at),
    )
    return Progress(
        outer=at[0],
        inner=at[1],
        iterations=recipe.iterations,
        inner_steps=recipe.schedule.updates,
        losses=_by_size(losses, asked.sets.images),
        frozen=(int(asked.frozen.min()), int(asked.frozen.max())),
        boundary=False,
        state=replace(state, stored=moved, update=after, sizes=sizes),
    )


def rows_of(stored: Examples, classes: Sequence[int]) -> Tensor:
    """Positions of the stored images of some classes, in their order."""
    return positions(torch.isin(stored.class_, torch.tensor(classes)))


def _gradients(
    match: Match,
    examples: Examples,
    groups: Groups,
    *,
    weights: Tensor,
    names: Sequence[str],
    passes: Iterable[tuple[Tensor, Tensor]],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses ``[group]``, and the gradients of their weighted sum for fields of the examples."""
    device = examples.images.device
    weights = weights.to(examples.images.dtype)
    losses = examples.images.new_zeros(len(groups))
    gradients = {name: torch.zeros_like(getattr(examples, name)) for name in names}
    for rows, members in passes:
        part = examples.rows(members)
        leaves = {name: getattr(part, name).detach().requires_grad_() for name in names}
        found = match(replace(part, **leaves), groups.rows(rows).only(members))
        own = torch.autograd.grad(
            (on(device, weights[rows]) * found).sum(), list(leaves.values()), allow_unused=True
        )
        losses[on(device, rows)] = found.detach()
        for name, gradient in zip(names, cast("tuple[Tensor | None, ...]", own), strict=True):
            if gradient is None:
                raise ConfigError(
                    f"{name} cannot be learned: the objective does not depend on them. Leave "
                    f"{name} out of the recipe, or take an objective that does."
                )
            if gradients[name].ndim:
                gradients[name][on(device, members)] += gradient
            else:
                gradients[name] += gradient
    return losses, gradients


def _decoded(recipe: Recipe, stored: Examples) -> tuple[dict[str, Tensor], Examples]:
    """The leaves of everything that is learned, by the names of ``learned``, and what is decoded.

    The gradient of the stored tensors is one product with the Jacobian of ``decode``.
    """
    leaves = {name: getattr(stored, name).detach().requires_grad_() for name in learned(recipe)}
    shared = {name: tensor.detach().requires_grad_() for name, tensor in stored.shared.items()}
    with torch.enable_grad():
        decoded = recipe.parameterization.decode(replace(stored, **leaves, shared=shared))
    return {**leaves, **{f"shared.{name}": leaf for name, leaf in shared.items()}}, decoded


def _assembled(
    stored: Examples, results: Sequence[BlockResult], processes: Processes
) -> dict[str, Tensor]:
    """The gradients of all stored tensors; those of the blocks are taken out of ``results``.

    A block has the gradient of its own rows. Those of a tensor that belongs to all rows are added
    in the order of the classes.
    """
    found: dict[str, Tensor] = {}
    firsts = torch.tensor([result.classes[0] for result in results])
    for name in list(results[0].gradients):
        whole = _stored(stored, name)
        if name in BY_ROW:
            found[name] = torch.empty_like(whole)
            for result in results:
                found[name][on(whole.device, result.rows)] = result.gradients.pop(name)
        else:
            parts = [result.gradients.pop(name) for result in results]
            found[name] = processes.merge(torch.stack(parts), firsts).sum(dim=0)
    return found


def _moved(
    recipe: Recipe,
    state: State,
    gradients: Mapping[str, Tensor],
    frozen: Tensor,
    *,
    remaining: float,
) -> tuple[Examples, dict[str, Mapping[str, Tensor]]]:
    """The stored tensors and the states of the updates after one step."""
    stored = state.stored
    some = recipe.size_policy.freezes_exactly and bool(frozen.any())
    masks: dict[str, Tensor] = {"learned_lr": torch.tensor(False)}
    if some:
        count = _of(frozen, stored)
        own = recipe.parameterization.pixel_rank(stored)
        masks["images"] = own < _expanded(count, like=stored.images.ndim)
        masks["labels"] = (stored.rank < count)[:, None]
    moved: dict[str, Tensor] = {}
    update: dict[str, Mapping[str, Tensor]] = {}
    for name, part in learned(recipe, stored).items():
        # What belongs to all rows is made of frozen ones, too: it rests while any row does.
        mask = masks.get(name, torch.tensor(some))
        moved[name], update[name] = part.step(
            _stored(stored, name),
            gradients[name],
            state.update[name],
            frozen=on(stored.images.device, mask),
            remaining=remaining,
        )
    shared = {name: moved.pop(f"shared.{name}") for name in stored.shared}
    return replace(stored, **moved, shared=shared), update


def _stored(stored: Examples, name: str) -> Tensor:
    """The tensor with a name of ``learned``."""
    own = name.removeprefix("shared.")
    return getattr(stored, name) if own == name else stored.shared[own]


def _of(frozen: Tensor, examples: Examples) -> Tensor:
    """For each example, the count of its class, ``[example]``."""
    return frozen[examples.class_]


def _expanded(per_example: Tensor, *, like: int) -> Tensor:
    """``[example]`` with dimensions of size one at the end, as many dimensions as ``like``."""
    return per_example.reshape(-1, *[1] * (like - 1))


def _masked(gradient: Tensor, rows: Tensor) -> Tensor:
    """Zero the gradient of frozen examples; tensors that belong to no example are unchanged."""
    if gradient.ndim == 0 or not rows.any():
        return gradient
    return gradient.masked_fill(on(gradient.device, _expanded(rows, like=gradient.ndim)), 0)


def _remaining(recipe: Recipe, at: tuple[int, int]) -> float:
    """Share of the image updates of the run that remain, including the current one."""
    total = recipe.iterations * recipe.schedule.updates
    return (total - at[0] * recipe.schedule.updates - at[1]) / total


def _by_size(losses: Tensor, images: Tensor) -> dict[str, float]:
    spans = [(int(p.min()), int(p.max())) for p in images]
    names = [str(high) if low == high else f"{low}-{high}" for low, high in spans]
    return dict(zip(names, losses.sum(dim=1).tolist(), strict=True))


def _check_finite(losses: Tensor, images: Tensor, at: tuple[int, int], data: ImageData) -> None:
    """Refuse ``[set, class_]`` losses of sets with these images per class that are not finite."""
    if bool(losses.isfinite().all()):
        return
    set_, class_ = (~losses.isfinite()).nonzero()[0].tolist()
    whole = losses.shape[1] == 1  # of all classes together
    name = "all classes" if whole else f"class {data.class_names[class_]!r}"
    size = int(images[set_].max() if whole else images[set_, class_])
    raise NonFiniteLoss(
        f"The matching loss is {losses[set_, class_].item()} at outer iteration {at[0]}, inner "
        f"{at[1]}, {name}, size {size}. The learning rate of the images is probably too "
        "large: lower it (--set update.lr=...) and resume from the last checkpoint."
    )
