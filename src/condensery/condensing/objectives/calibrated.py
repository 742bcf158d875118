"""Calibration: synthetic images should also be classified correctly.

A class term that is added to an objective on features, and separates classes with similar features.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from condensery.condensing.objectives.base import FeatureObjective, Match, Objective
from condensery.condensing.objectives.distribution import DistributionMatching
from condensery.condensing.objectives.group_means import group_means
from condensery.engines import Engine
from condensery.errors import ConfigError, UnsupportedNetwork
from condensery.experts import loaded
from condensery.networks import mixes_examples
from condensery.placed import on
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext, View


@register("objective", "calibrated")
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated(Objective):
    """A distance of features plus ``weight`` times the cross-entropy of the synthetic examples.

    Every set has the mean cross-entropy of its own examples.

    Attributes:
        features: The distance of features.
        weight: Weight of the class term, at least 0; with 0 there is only the distance, at every
            iteration.
        exponent: How fast the weight falls with the size, at least 0: that of a set for n images
            per class is ``weight / n ** exponent``.
        under: The network that classifies: ``"expert"``, the target of the schedule (DANCE, TGDD),
            or ``"network"``, the network of the features, which needs no second pass.
        alternate: Whether the terms alternate, the distance at even inner iterations and the class
            term at odd ones, instead of being added.

    Source:
        Zhang et al. 2024 (DANCE), both losses, alternating with ``alternate``; Ran et al. 2026
        (TGDD), added, on the same augmented images. Differs: all classes share one draw of the
        augmentation (released: one draw for each class).
    """

    all_classes: ClassVar[bool] = False
    uses_engine: ClassVar[bool] = True

    features: FeatureObjective = field(default_factory=DistributionMatching)
    weight: float = 1.0
    exponent: float = 0.0
    under: Literal["expert", "network"] = "expert"
    alternate: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.features, FeatureObjective):
            raise ConfigError(
                f"objective.features = {self.features!r}, but a class term is added to a distance "
                "of features: distribution, characteristic-function or m3d."
            )
        for name in ("weight", "exponent"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"objective.{name} = {getattr(self, name)}, but it must be 0 or more."
                )
        if self.under not in (known := ("expert", "network")):
            raise ConfigError(
                f"objective.under = {self.under!r} is unknown; known are {', '.join(known)}."
            )

    @property
    def takes_means(self) -> bool:
        """See ``Objective.takes_means``; the class term needs no real image."""
        return self.features.takes_means

    def check(self, network: nn.Module) -> None:
        """See ``Objective.check``."""
        self.features.check(network)
        if self.weight > 0 and self.under == "expert":
            _check_expert(network)

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
            UnsupportedNetwork: If the expert has a state besides its parameters.
            ConfigError: If an expert classifies and the schedule has none.
        """
        network, odd = context.network, context.at[1] % 2 == 1
        blocks = self.features.of_blocks
        classify = self.weight > 0 and (odd or not self.alternate)
        classifier = network
        if classify and self.under == "expert":
            classifier = _expert(context)
        distance: Callable[[Tensor, Examples, Groups], Tensor] | None = None
        if not (classify and self.alternate):
            distance = self.features.of_features(
                context, real, view, engine=engine, classes_per_pass=classes_per_pass
            )

        def match(examples: Examples, groups: Groups) -> Tensor:
            shown, losses, logits = view(examples), list[Tensor](), None
            if distance is not None and classify and classifier is network:
                seen, logits = engine.features_and_logits(network, shown, blocks=blocks)
                losses.append(distance(seen, examples, groups))
            elif distance is not None:
                seen = engine.features(network, shown, blocks=blocks)
                losses.append(distance(seen, examples, groups))
            if classify:
                if logits is None:
                    _, logits = engine.features_and_logits(classifier, shown)
                term = _class_term(logits, examples, groups)
                weight = (self.weight / groups.size.double() ** self.exponent).to(term.dtype)
                losses.append(on(term.device, weight) * term)
            return torch.stack(losses).sum(dim=0)

        return match


def _class_term(logits: Tensor, examples: Examples, groups: Groups) -> Tensor:
    """The mean cross-entropy of the examples of every group."""
    each = nn.functional.cross_entropy(logits, examples.labels, reduction="none")
    return group_means(each[:, None], examples, groups)[:, 0]


def _expert(context: StepContext) -> nn.Module:
    """The network with the parameters of the context's target."""
    if context.target is None:
        raise ConfigError(
            "objective.under = 'expert' classifies by an expert, but this schedule has none. Use "
            "schedule = interpolated with schedule.trajectories above 0, schedule = staged, under "
            "= 'network', or weight = 0."
        )
    _check_expert(context.network)
    return loaded(deepcopy(context.network), dict(context.target))


def _check_expert(network: nn.Module) -> None:
    """Refuse a network of which parameters are not all that a classifier needs."""
    culprit = mixes_examples(network) or next((name for name, _ in network.named_buffers()), None)
    if culprit is not None:
        raise UnsupportedNetwork(
            f"objective.under = 'expert' classifies by parameters of an expert, but {culprit!r} "
            f"of {type(network).__name__} depends on the batch or keeps a state besides them. Use "
            "under = 'network', or a network with instance norm and without dropout."
        )
