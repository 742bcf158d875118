"""The interface of objectives, which allows the subset loss of MDC with every objective.

An objective has two stages: ``bind`` fixes the network, the real data and the random draws; the
``Match`` that it returns is a deterministic function from *sets* of synthetic examples to one loss
for each set. MDC therefore needs more sets, but no other objective.

An objective may have a state, such as a moving average of real features or the weights of a
learned discrepancy. The state is a mapping of tensors that goes in and out: ``init`` makes it,
``bind`` reads it as ``context.state``, and ``advance`` gives the next state after every image
update. It is stored in the checkpoints of a run.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from condensery.engines import Engine
from condensery.networks import earlier_blocks
from condensery.placed import on, positions
from condensery.types import Examples, Groups, StepContext, View, by_class

Match = Callable[[Examples, Groups], Tensor]
"""``(examples, groups) -> losses [group]``, not reduced; differentiable in ``examples.images``.
If the objective ``uses_engine``, several threads may call it at the same time."""

ObjectiveState = Mapping[str, Tensor]


class Objective(Protocol):
    """A distance between synthetic and real data. A class must implement ``bind``."""

    all_classes: ClassVar[bool] = False
    """Whether a group contains all classes of a set, or one class."""

    uses_engine: ClassVar[bool] = False
    """Whether the loss uses only results of an engine and calls no module. Otherwise a fast engine
    has no advantage."""

    @property
    def takes_means(self) -> bool:
        """Whether ``StepContext.mean_features`` can stand for the real examples."""
        return False

    def check(self, network: nn.Module) -> None:
        """Refuse networks that the objective cannot use, before any of them is trained.

        Args:
            network: A network of the run, untrained.

        Raises:
            UnsupportedNetwork: If the objective cannot use it.
        """
        del network

    @abstractmethod
    def bind(
        self,
        context: StepContext,
        real: Examples,
        view: View,
        *,
        engine: Engine,
        classes_per_pass: int,
    ) -> Match:
        """Fix everything except the synthetic data.

        Args:
            context: The network, the iteration, and the state of the objective, if it has one.
            real: Real examples in [0, 1] of a block of classes; of all classes if the objective is
                over ``all_classes`` or has a state.
            view: Normalisation and augmentation, the same for real and synthetic examples.
            engine: Computes gradients and features.
            classes_per_pass: Classes in a pass, for an engine that does not divide a batch itself.
        """
        ...

    def init(self, examples: Examples, *, rng: torch.Generator) -> ObjectiveState:
        """The state before the first iteration; empty for an objective without a state.

        Args:
            examples: The synthetic examples at the start of the run.
            rng: Random stream of the state.
        """
        del examples, rng
        return {}

    def advance(
        self,
        context: StepContext,
        real: Examples,
        examples: Examples,
        view: View,
        *,
        engine: Engine,
    ) -> ObjectiveState:
        """The state after an image update; only called for objectives with a state.

        Args:
            context: As in ``bind``; ``context.state`` is the previous state, which is not changed.
            real: As in ``bind``.
            examples: The synthetic examples after the update.
            view: As in ``bind``.
            engine: As in ``bind``.
        """
        del real, examples, view, engine
        return context.state


class FeatureComparison(Protocol):
    """A distance of features with fixed random draws."""

    def target(self, features: Tensor) -> Tensor:
        """The target that is computed from the real features of a class.

        Args:
            features: ``[example, feature]``.
        """
        ...

    def losses(
        self, features: Tensor, examples: Examples, groups: Groups, targets: Sequence[Tensor]
    ) -> Tensor:
        """The loss of every group, ``[group]``; differentiable in ``features``.

        Args:
            features: Features of synthetic examples, ``[example, feature]``.
            examples: These examples.
            groups: Groups of these examples, each of one class.
            targets: One target for each group.
        """
        ...


class FeatureObjective(Objective):
    """An objective that compares features of the network for each class.

    A class must implement ``comparison``. Other terms can use the same forward pass
    (``Calibrated``).
    """

    all_classes: ClassVar[bool] = False
    uses_engine: ClassVar[bool] = True

    @property
    def of_blocks(self) -> int:
        """Of how many last blocks of the network features are compared (``Engine.features``)."""
        return 1

    def check(self, network: nn.Module) -> None:
        """See ``Objective.check``: it must have as many blocks."""
        earlier_blocks(network, self.of_blocks)

    @abstractmethod
    def comparison(self, context: StepContext) -> FeatureComparison:
        """The distance of features with the draws of this context."""
        ...

    def of_features(
        self,
        context: StepContext,
        real: Examples,
        view: View,
        *,
        engine: Engine,
        classes_per_pass: int,
    ) -> Callable[[Tensor, Examples, Groups], Tensor]:
        """As ``bind``, for features that the caller computes.

        Returns:
            ``(features, examples, groups) -> losses [group]``.
        """
        comparison, groups = self.comparison(context), by_class(real)
        targets = list[Tensor]()
        if context.mean_features is not None:
            of_images = partial(engine.features, context.network, blocks=self.of_blocks)
            targets = [context.mean_features(c, of_images)[None] for c in groups.class_.tolist()]
            targets = [comparison.target(mean) for mean in targets]
            return partial(_losses, comparison, groups, targets)
        with torch.no_grad():
            shown = view(real)
            concurrent = len(groups) if engine.chunked else classes_per_pass
            for rows, members in groups.passes(concurrent):
                features = engine.features(
                    context.network, shown[on(shown.device, members)], blocks=self.of_blocks
                )
                own = groups.rows(rows).only(members)
                targets += [
                    comparison.target(features[on(features.device, positions(member))])
                    for member in own.member
                ]

        return partial(_losses, comparison, groups, targets)

    def bind(
        self,
        context: StepContext,
        real: Examples,
        view: View,
        *,
        engine: Engine,
        classes_per_pass: int,
    ) -> Match:
        """See ``Objective.bind``."""
        losses = self.of_features(
            context, real, view, engine=engine, classes_per_pass=classes_per_pass
        )

        def match(examples: Examples, groups: Groups) -> Tensor:
            seen = engine.features(context.network, view(examples), blocks=self.of_blocks)
            return losses(seen, examples, groups)

        return match


def _losses(
    comparison: FeatureComparison,
    real: Groups,
    targets: Sequence[Tensor],
    features: Tensor,
    examples: Examples,
    groups: Groups,
) -> Tensor:
    """The loss of every group, from the targets of the classes of ``real``."""
    row = target_rows(real.class_, groups.class_)
    return comparison.losses(features, examples, groups, [targets[at] for at in row.tolist()])


def target_rows(classes: Tensor, wanted: Tensor) -> Tensor:
    """Positions of the ``wanted`` classes in the sorted ``classes`` of the real targets."""
    return torch.searchsorted(classes, wanted)
