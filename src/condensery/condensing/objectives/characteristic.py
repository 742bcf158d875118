"""Characteristic functions: synthetic and real features should have the same distribution.

The characteristic function of features ``f`` at a frequency ``t`` is the mean of ``exp(i t f)``.
For nested sets it is a cumulative mean over ranks of cosines and sines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condensery.condensing.objectives.base import FeatureComparison, FeatureObjective
from condensery.condensing.objectives.group_means import group_means
from condensery.errors import ConfigError
from condensery.registry import register
from condensery.types import Examples, Groups, StepContext

_FLOOR = 1e-12
"""Minimum under the square root, whose slope at 0 is infinite."""


@register("objective", "characteristic-function")
@dataclass(frozen=True, slots=True, kw_only=True)
class CharacteristicFunction(FeatureObjective):
    """Distance of characteristic functions at random normal frequencies, for each class.

    If ``a`` and ``b`` are the values of both functions at one frequency, the loss is the mean over
    frequencies of ``sqrt(amplitude (|a| - |b|)^2 + (1 - amplitude) (|a - b|^2 - (|a| - |b|)^2))``,
    times ``scale``. Every feature vector is first divided by its length.

    Attributes:
        frequencies: Number of frequencies, which are drawn for every image update, at least 1
            (paper: 1024, release: 4096).
        amplitude: Weight of the difference of amplitudes, in [0, 1]; the phase has the remaining
            weight. At 0.5 (paper) the root is ``sqrt(1/2) |a - b|``.
        scale: Factor of the loss, > 0 (release: 300).

    Source:
        Wang et al. 2025 (NCFM), the released loss without the sampling network. Differs: all
        classes of an image update share their frequencies (released: drawn for each class); the
        minimum 1e-12 is under the root (released: only for the phase).
    """

    frequencies: int = 1024
    amplitude: float = 0.5
    scale: float = 300.0

    def __post_init__(self) -> None:
        if self.frequencies < 1:
            raise ConfigError(
                f"objective.frequencies = {self.frequencies}, but it must be at least 1."
            )
        if not 0 <= self.amplitude <= 1:
            raise ConfigError(
                f"objective.amplitude = {self.amplitude}, but it is a share of the loss: 0 to 1."
            )
        if not 0 < self.scale < math.inf:
            raise ConfigError(f"objective.scale = {self.scale}, but it must be above 0.")

    def comparison(self, context: StepContext) -> FeatureComparison:
        """See ``FeatureObjective.comparison``; frequencies are drawn with the first features."""
        return _Characteristic(self, context)


class _Characteristic:
    def __init__(self, choices: CharacteristicFunction, context: StepContext) -> None:
        self._choices, self._context = choices, context
        self._drawn: Tensor | None = None  # [feature, frequency]; set before a match is asked

    def target(self, features: Tensor) -> Tensor:
        """See ``FeatureComparison.target``: the real and the imaginary part at all frequencies."""
        if self._drawn is None:
            shape = (features.shape[1], self._choices.frequencies)
            rng = self._context.stream("frequencies")
            self._drawn = torch.randn(shape, generator=rng).to(features)
        return self._waves(features).mean(dim=0)

    def losses(
        self, features: Tensor, examples: Examples, groups: Groups, targets: Sequence[Tensor]
    ) -> Tensor:
        """See ``FeatureComparison.losses``."""
        own = group_means(self._waves(features), examples, groups)
        a, b = (_parts(values) for values in (own, torch.stack(list(targets))))
        share = self._choices.amplitude
        whole = (a - b).square().sum(dim=1)
        if share != 0.5:
            amplitude = (_length(a) - _length(b)).square()
            whole = 2 * (share * amplitude + (1 - share) * (whole - amplitude))
        return self._choices.scale * (whole / 2 + _FLOOR).sqrt().mean(dim=1)

    def _waves(self, features: Tensor) -> Tensor:
        """Cosines, then sines, ``[example, 2 frequency]``."""
        assert self._drawn is not None
        phases = torch.nn.functional.normalize(features, dim=1) @ self._drawn
        return torch.cat([phases.cos(), phases.sin()], dim=1)


def _parts(values: Tensor) -> Tensor:
    """The real and the imaginary part, ``[group, 2, frequency]``."""
    return values.unflatten(1, (2, -1))


def _length(values: Tensor) -> Tensor:
    return (values.square().sum(dim=1) + _FLOOR).sqrt()
