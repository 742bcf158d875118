"""The seam that lets a subset loss sit on any objective.

An objective is cut in two: ``bind`` fixes the network, the real data and the randomness; the
``Match`` it returns is a deterministic function from *sets* of synthetic examples to one loss
per set. MDC then is more sets, not another objective.

An objective may have a state, such as a moving average of real features or the weights of a
learned discrepancy. The state is a mapping of tensors that goes in and out: ``init`` makes it,
``bind`` reads it as ``context.state``, ``advance`` gives the next one after every image update.
It is a part of the run's checkpoints.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from condensery.engines import Engine
from condensery.types import Examples, Groups, StepContext, View, by_class

__all__ = [
    "FeatureComparison",
    "FeatureObjective",
    "Match",
    "Objective",
    "ObjectiveState",
    "target_rows",
]

Match = Callable[[Examples, Groups], Tensor]
"""``(examples, groups) -> losses [group]``, un-reduced; differentiable in ``examples.images``.
Of an objective that ``uses_engine``, it may be called from several threads at once."""

ObjectiveState = Mapping[str, Tensor]

_TOGETHER = 256
"""Real images that an engine gets at once if it cuts them itself; changes nothing but the time."""


class Objective(Protocol):
    """A distance between synthetic and real data under a network. It must have ``bind``."""

    all_classes: ClassVar[bool] = False
    """Whether a set holds all classes at once, or one class."""

    uses_engine: ClassVar[bool] = False
    """Whether the loss is made of what an engine computes, without calling a module; otherwise a
    fast one gains nothing."""

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
        """Fix everything but the synthetic data.

        Args:
            context: The network and where in the run we are; the objective's state, if it has one.
            real: Real examples in [0, 1].
            view: What the network is shown, the same for real and synthetic examples.
            engine: How gradients and features are computed.
            classes_per_pass: Bounds the memory of a pass; never changes the result.
        """
        ...

    def init(self, examples: Examples, *, rng: torch.Generator) -> ObjectiveState:
        """The state before the first iteration; empty for an objective without a state.

        Args:
            examples: The synthetic examples that the run begins with.
            rng: For what is drawn.
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
        """The state after an image update; asked of objectives that have a state.

        Args:
            context: As in ``bind``; ``context.state`` is the state before, and must not change.
            real: As in ``bind``.
            examples: The synthetic examples after the update.
            view: As in ``bind``.
            engine: As in ``bind``.
        """
        del real, examples, view, engine
        return context.state


class FeatureComparison(Protocol):
    """A distance of features with its draws fixed."""

    def target(self, features: Tensor) -> Tensor:
        """What is kept of the real features of a class.

        Args:
            features: ``[example, feature]``.
        """
        ...

    def losses(
        self, features: Tensor, examples: Examples, groups: Groups, targets: Sequence[Tensor]
    ) -> Tensor:
        """The loss of every group, ``[group]``; differentiable in ``features``.

        Args:
            features: Of synthetic examples, ``[example, feature]``.
            examples: What they are features of.
            groups: Over these examples, one class each.
            targets: One a group.
        """
        ...


class FeatureObjective(Objective):
    """An objective that compares what the network sees, class by class.

    It must have ``comparison``. Other terms can be added on the same forward pass (``Calibrated``).
    """

    all_classes: ClassVar[bool] = False
    uses_engine: ClassVar[bool] = True

    @abstractmethod
    def comparison(self, context: StepContext) -> FeatureComparison:
        """The distance, with the draws of this context."""
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
        """Like ``bind``, for features that the caller computes.

        Returns:
            ``(features, examples, groups) -> losses [group]``.
        """
        comparison, groups = self.comparison(context), by_class(real)
        targets, together = list[Tensor](), _TOGETHER if engine.chunked else 0
        with torch.no_grad():
            shown = view(real)
            for rows, members in groups.passes(classes_per_pass, examples=together):
                features = engine.features(context.network, shown[members])
                own = groups.rows(rows).only(members)
                targets += [comparison.target(features[member]) for member in own.member]

        def losses(features: Tensor, examples: Examples, groups_: Groups) -> Tensor:
            row = target_rows(groups.class_, groups_.class_)
            return comparison.losses(
                features, examples, groups_, [targets[at] for at in row.tolist()]
            )

        return losses

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
            return losses(engine.features(context.network, view(examples)), examples, groups)

        return match


def target_rows(classes: Tensor, wanted: Tensor) -> Tensor:
    """Positions in the sorted ``classes`` of the real targets of the ``wanted`` classes."""
    return torch.searchsorted(classes, wanted)
