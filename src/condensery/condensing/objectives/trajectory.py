"""Trajectory matching: training on synthetic and on real data should give the same parameters.

Knows nothing about the origin of the expert's trajectory: the context contains its start (the
network) and its target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from condensery.augment import Augment, PerExample
from condensery.condensing.objectives.base import Match, Objective
from condensery.condensing.objectives.unrolled import Parameters, StepLoss, descended
from condensery.engines import Engine
from condensery.errors import ConfigError, NonFiniteLoss, UnsupportedNetwork
from condensery.networks import mixes_examples
from condensery.placed import on, positions, sent
from condensery.registry import register
from condensery.training import batches
from condensery.types import Examples, Groups, StepContext, View

_PLATEAU = 1e-10
"""If the squared distance that an expert moved is below this share of its squared parameters, the
distance is only rounding."""


@register("objective", "trajectory")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryMatching(Objective):
    """Squared distance of student and expert parameters, divided by that of the expert's start.

    The student starts with the parameters of the expert and takes ``steps`` plain gradient steps
    on the set, with the learning rate that the set learns. Every set has the same start and the
    same random draws.

    Attributes:
        steps: Student steps, at least 1.
        batch: Images in a student step; with 0 each step uses the whole set. Smaller batches are
            consecutive parts of a random permutation, which is drawn again at its end.
        augment: Augmentation of the batches, drawn at every step.

    Source:
        Cazenavette et al. 2022 (MTT), the trajectory matching loss, and the released loop for
        batches and augmentation. Differs: the gradient is computed with constant memory
        (``condensery.condensing.objectives.unrolled``) and is equal up to rounding.
    """

    all_classes: ClassVar[bool] = True
    uses_engine: ClassVar[bool] = False

    steps: int = 30
    batch: int = 0
    augment: Augment = field(
        default_factory=lambda: PerExample(
            strategy="color_crop_cutout_flip_scale_rotate", mode="dsa"
        )
    )

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"objective.{name} = {getattr(self, name)}, but it must be at least {least}."
                )

    def bind(
        self,
        context: StepContext,
        real: Examples,
        view: View,
        *,
        engine: Engine,
        classes_per_pass: int,
    ) -> Match:
        """See ``Objective.bind``.

        Raises:
            UnsupportedNetwork: If the network has a state besides its parameters.
            ConfigError: If the expert has hardly moved between start and target.
        """
        del real, engine, classes_per_pass
        network = context.network
        _check_stateless(network)
        named = {name: p.detach() for name, p in network.named_parameters()}
        start = tuple(named.values())
        target: tuple[Tensor, ...] | None = None
        if context.target is not None:
            target = tuple(sent(p.device, context.target[name]) for name, p in named.items())
        way = None if target is None else _way(start, target, at=context.at)

        def match(examples: Examples, groups: Groups) -> Tensor:
            if target is None or way is None:
                raise ConfigError(
                    "objective = trajectory needs the end of an expert's way, which this schedule "
                    "does not know. Use schedule = experts."
                )
            if examples.learned_lr is None:
                raise ConfigError(
                    "objective = trajectory trains a student with the learning rate that the set "
                    "learns, but the recipe has none. Use --set learned_lr=learned."
                )
            shown, lr, losses = view(examples), examples.learned_lr, list[Tensor]()
            for member in groups.member:
                own = on(shown.device, positions(member))
                images, labels = shown[own], examples.labels[own]
                end = descended(
                    self._loss(network, tuple(named), len(images), context),
                    start,
                    images=images,
                    labels=labels,
                    lr=lr,
                    steps=self.steps,
                )
                losses.append(_distance(end, target) / way)
            found = torch.stack(losses)
            _check_finite(found, lr, context.at)
            return found

        return match

    def _loss(
        self, network: nn.Module, names: tuple[str, ...], count: int, context: StepContext
    ) -> StepLoss:
        """The loss of every student step on a set of ``count`` images, with fixed draws."""
        order = batches(count, self.batch or count, rng=context.stream("student", "order"))
        chosen = list(islice(order, self.steps))
        draws = [
            self.augment.draw(rng=context.stream("student", "augment", step))
            for step in range(self.steps)
        ]

        def loss(step: int, theta: Parameters, images: Tensor, labels: Tensor) -> Tensor:
            index = chosen[step]
            if len(index) < count:  # the whole set needs no order
                own = on(images.device, index)
                images, labels = images[own], labels[own]
            shown = draws[step](images)
            logits = functional_call(network, dict(zip(names, theta, strict=True)), (shown,))
            return nn.functional.cross_entropy(logits, labels)

        return loss


def _distance(one: Parameters, other: Parameters) -> Tensor:
    """Sum of squared differences over all parameters."""
    squares = [(a - b).square().sum() for a, b in zip(one, other, strict=True)]
    return torch.stack(squares).sum()


def _way(start: Parameters, target: Parameters, *, at: tuple[int, int]) -> Tensor:
    """Squared distance between the start and the target of the expert."""
    way = _distance(start, target)
    both = torch.stack([way, torch.stack([p.square().sum() for p in start]).sum()])
    moved, length = both.tolist()  # the device is waited for once
    if not moved > _PLATEAU * length:
        raise ConfigError(
            f"The expert of outer iteration {at[0]} moved by only {moved**0.5:.3g} between "
            f"start and target (its parameters have the length {length**0.5:.3g}): it had finished "
            "learning, and a student cannot follow. Use a smaller schedule.max_start_epoch, a "
            "larger schedule.span, or experts with a larger schedule.training.lr."
        )
    return way


def _check_stateless(network: nn.Module) -> None:
    """Refuse a network with a state besides its parameters, such as batch norm."""
    culprit = mixes_examples(network) or next((name for name, _ in network.named_buffers()), None)
    if culprit is not None:
        raise UnsupportedNetwork(
            f"objective = trajectory follows the parameters of {type(network).__name__}, but "
            f"{culprit!r} depends on the batch or keeps a state besides them. Use a network with "
            "instance norm and without dropout, such as convnet3."
        )


def _check_finite(losses: Tensor, lr: Tensor, at: tuple[int, int]) -> None:
    if bool(losses.isfinite().all()):
        return
    raise NonFiniteLoss(
        f"The student of outer iteration {at[0]} left all bounds with the learned learning rate "
        f"{lr.item():.3g}. Resume from the last checkpoint with a smaller step for it (--set "
        "learned_lr.update.lr=...), or begin with a smaller one (--set learned_lr.initial=...)."
    )
