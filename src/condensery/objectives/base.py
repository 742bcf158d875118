"""The seam that lets a subset loss sit on any objective.

An objective is cut in two: ``bind`` fixes the network, the real data and the randomness; the
``Match`` it returns is a deterministic function from *sets* of synthetic examples to one loss
per set. MDC then is more sets, not another objective.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from condensery.engines import Engine
from condensery.types import Examples, Groups, Moment, View

__all__ = ["Match", "Objective", "target_rows"]

Match = Callable[[Examples, Groups], Tensor]
"""``(examples, groups) -> losses [group]``, un-reduced; differentiable in ``examples.images``.
Of an objective that ``uses_engine``, it may be called from several threads at once."""


class Objective(Protocol):
    """A distance between synthetic and real data under a network."""

    joint: ClassVar[bool]
    """Whether a set holds all classes at once, or one class."""

    uses_engine: ClassVar[bool]
    """Whether the loss is made of what an engine computes, without calling a module; otherwise a
    fast one gains nothing."""

    def bind(
        self, moment: Moment, real: Examples, view: View, *, engine: Engine, classes_per_pass: int
    ) -> Match:
        """Fix everything but the synthetic data.

        Args:
            moment: The network and where in the run we are.
            real: Real examples in [0, 1].
            view: What the network is shown, the same for real and synthetic examples.
            engine: How gradients and features are computed.
            classes_per_pass: Bounds the memory of a pass; never changes the result.
        """
        ...


def target_rows(classes: Tensor, wanted: Tensor) -> Tensor:
    """Positions in the sorted ``classes`` of the real targets of the ``wanted`` classes."""
    return torch.searchsorted(classes, wanted)
