"""One image update of one set: the losses of its sizes, their gradient, and a step.

Knows nothing about other sets of a run, and nothing about the steps before and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from condensery.condensing.objectives import Match, Objective
from condensery.condensing.progress import Progress, State
from condensery.condensing.recipe import Recipe
from condensery.condensing.updates import ImageUpdate
from condensery.data import ImageData
from condensery.errors import ConfigError, NonFiniteLoss
from condensery.parameterizations import Parameterization
from condensery.placed import on
from condensery.rng import stream
from condensery.types import ALL_CLASSES, Examples, Groups, StepContext, nested

__all__ = ["first_update", "learned", "step"]


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
    """The objectives whose matches ``step`` needs."""
    measure = recipe.size_policy.measure if recipe.size_policy.measures(context.at[0]) else None
    return [recipe.objective, *([] if measure is None else [measure])]


def step(
    recipe: Recipe,
    state: State,
    *,
    context: StepContext,
    matches: Mapping[Objective, Match],
    batch_size: int,
    data: ImageData,
    seed: int,
) -> Progress:
    """Update the images of one set once.

    Args:
        recipe: The recipe of the set.
        state: The state before the step.
        context: The context of the step.
        matches: The matches of all ``matched`` objectives, bound to this context.
        batch_size: Examples that are matched in one pass if the classes are so small.
        data: Used for the names of its classes.
        seed: The seed of the run.

    Raises:
        NonFiniteLoss: If a loss is infinite or NaN; names iteration, size and class.
        ConfigError: If the objective does not depend on something that is learned.
    """
    outer, inner = context.at
    stored = state.stored
    frozen = recipe.size_policy.frozen(state.sizes, outer=outer)  # [class_]
    examples = recipe.parameterization.decode(stored)
    rng = stream(seed, "sizes", *context.at)
    sets = recipe.size_policy.sets(state.sizes, outer=outer, rng=rng)
    groups = nested(examples, sets.images, all_classes=recipe.objective.all_classes)
    weights = sets.weights.repeat_interleave(len(groups) // len(sets.weights))
    losses, gradients = _gradients(
        matches[recipe.objective],
        examples,
        groups,
        weights=weights,
        names=list(learned(recipe)),
        passes=groups.passes(recipe.classes_per_pass, examples=batch_size),
    )
    losses = losses.cpu()  # here the device is waited for
    _check_finite(losses, groups, context.at, data)
    sizes = state.sizes
    if recipe.size_policy.measures(outer):
        sizes = recipe.size_policy.observe(sizes, _measured(recipe, matches, examples))
    left_alone = examples.rank < _of(frozen, examples)
    gradients = {name: _masked(g, left_alone) for name, g in gradients.items()}
    moved, update = _moved(
        recipe,
        state,
        _pulled_back(recipe.parameterization, stored, gradients),
        frozen,
        remaining=_remaining(recipe, context.at),
    )
    return Progress(
        outer=outer,
        inner=inner,
        iterations=recipe.iterations,
        inner_steps=recipe.schedule.updates,
        losses=_by_size(losses, sets.images),
        frozen=(int(frozen.min()), int(frozen.max())),
        boundary=False,
        state=replace(state, stored=moved, update=update, sizes=sizes),
    )


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


@torch.no_grad()
def _measured(recipe: Recipe, matches: Mapping[Objective, Match], examples: Examples) -> Tensor:
    """The measured loss of every size of every class, ``[class_, size]``.

    An objective over all classes has one loss.
    """
    probe = recipe.size_policy.measure
    if probe is None:
        raise ConfigError(
            f"size_policy = {recipe.size_policy} measures sizes, but names no objective for it."
        )
    classes = int(examples.class_.max()) + 1
    every = torch.arange(1, recipe.ipc + 1)[:, None]
    groups = nested(examples, every.expand(-1, classes), all_classes=probe.all_classes)
    losses = matches[probe](examples, groups).unflatten(0, (recipe.ipc, -1))
    return losses.expand(-1, classes).T.cpu()


def _pulled_back(
    parts: Parameterization, stored: Examples, gradients: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The gradient of the stored tensors: one product with the Jacobian of ``decode``."""
    leaves = {name: getattr(stored, name).detach().requires_grad_() for name in gradients}
    shared = {name: tensor.detach().requires_grad_() for name, tensor in stored.shared.items()}
    with torch.enable_grad():
        decoded = parts.decode(replace(stored, **leaves, shared=shared))
    outputs = [getattr(decoded, name) for name in gradients]
    inputs = {**leaves, **{f"shared.{name}": leaf for name, leaf in shared.items()}}
    found = torch.autograd.grad(outputs, list(inputs.values()), list(gradients.values()))
    return dict(zip(inputs, found, strict=True))


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
    sums = losses.unflatten(0, (len(images), -1)).sum(dim=1).tolist()
    spans = [(int(p.min()), int(p.max())) for p in images]
    names = [str(high) if low == high else f"{low}-{high}" for low, high in spans]
    return dict(zip(names, sums, strict=True))


def _check_finite(losses: Tensor, groups: Groups, at: tuple[int, int], data: ImageData) -> None:
    if bool(losses.isfinite().all()):
        return
    bad = int((~losses.isfinite()).nonzero()[0, 0])
    class_ = int(groups.class_[bad])
    name = "all classes" if class_ == ALL_CLASSES else f"class {data.class_names[class_]!r}"
    raise NonFiniteLoss(
        f"The matching loss is {losses[bad].item()} at outer iteration {at[0]}, inner {at[1]}, "
        f"{name}, size {int(groups.size[bad])}. The learning rate of the images is probably too "
        "large: lower it (--set update.lr=...) and resume from the last checkpoint."
    )
