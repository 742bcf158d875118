"""Gradient matching: synthetic and real data should have similar weight gradients.

Knows nothing about which sets are matched, how often, or how gradients are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from condensery.condensing.objectives.base import Match, Objective, target_rows
from condensery.condensing.objectives.distances import metric
from condensery.engines import Engine
from condensery.errors import ConfigError
from condensery.placed import on
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext, View, by_class


@register("objective", "gradient")
@dataclass(frozen=True, slots=True, kw_only=True)
class GradientMatching(Objective):
    """Distance between the weight gradients of the mean cross-entropy, for each class.

    Attributes:
        metric: ``"mse"`` or ``"l1"`` (sums over entries), ``"cosine"`` (sum over output rows
            of one minus the cosine) or ``"whole-cosine"`` (of all parameters as one vector).
        parameters: ``"conv"``: convolution kernels only (IDC, MDC); ``"all"``: every parameter
            (DC, DSA).

    Source:
        Zhao et al. 2021 (DC) and Kim et al. 2022 (IDC), the released matching losses.
    """

    all_classes: ClassVar[bool] = False
    uses_engine: ClassVar[bool] = True

    metric: Literal["mse", "l1", "cosine", "whole-cosine"] = "mse"
    parameters: Literal["conv", "all"] = "conv"

    def __post_init__(self) -> None:
        metric(self.metric)
        if self.parameters not in ("conv", "all"):
            raise ConfigError(
                f"parameters = {self.parameters!r} is unknown; known are conv (convolution "
                "kernels) and all."
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
        """See ``Objective.bind``."""
        network, distance = context.network, metric(self.metric)
        names = self._names(network)
        groups = by_class(real)
        shown = view(real).detach()  # also of real examples that ask for a gradient
        parts: list[dict[str, Tensor]] = []
        # An engine that divides a batch itself takes all in one call: its threads wait once.
        concurrent = len(groups) if engine.chunked else classes_per_pass
        for rows, examples in groups.passes(concurrent):
            own = groups.rows(rows).only(examples)
            at = on(shown.device, examples)
            parts.append(engine.gradients(network, shown[at], real.labels[at], own, names=names))
        target = {name: torch.cat([part[name] for part in parts]) for name in names}

        def match(examples: Examples, groups_: Groups) -> Tensor:
            synthetic = engine.gradients(
                network, view(examples), examples.labels, groups_, names=names
            )
            row = on(shown.device, target_rows(groups.class_, groups_.class_))
            return distance(synthetic, {name: t[row] for name, t in target.items()})

        return match

    def _names(self, network: nn.Module) -> list[str]:
        named = network.named_parameters()
        if self.parameters == "all":
            return [name for name, _ in named]
        names = [name for name, p in named if p.ndim == 4]
        if not names:
            raise ConfigError(
                f"parameters = 'conv' but {type(network).__name__} has no convolution kernel. Use "
                "parameters = 'all'."
            )
        return names
