"""The seam between *what* is matched and *how* gradients are computed.

An engine turns images and groups into one gradient per group. It knows nothing about classes,
sizes, losses between gradients, or methods. ``Autograd`` is the declared reference: every other
engine is tested to agree with it in value and in image gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from torch import Tensor, nn

from condensery.types import Groups

__all__ = ["Engine"]


class Engine(Protocol):
    """How per-group gradients and per-example features are computed."""

    cuts: ClassVar[bool]
    """Whether what it is given is worked through in sweeps, so that more does not need more memory
    than its results take, unless images ask for a gradient."""

    def at_once(self, images: Tensor) -> int:
        """How many such images it needs to be busy; 0 if it is with any number."""
        ...

    def gradients(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        groups: Groups,
        *,
        names: Sequence[str],
    ) -> dict[str, Tensor]:
        """Gradient of each group's mean cross-entropy with respect to the named parameters.

        Args:
            network: Gives logits ``[example, class_]``; its parameters are not changed and
                collect no ``.grad``.
            images: As the network sees them, ``[example, channel, height, width]``.
            labels: Class index ``[example]`` or probabilities ``[example, class_]``.
            groups: Over the same examples; every group has at least one member.
            names: Parameters, as in ``network.named_parameters()``.

        Returns:
            ``{name: [group, *shape]}``. Differentiable (once) with respect to ``images`` where
            these require a gradient, without any graph otherwise.

        Raises:
            UnsupportedNetwork: If this engine cannot differentiate ``network``.
        """
        ...

    def features(self, network: nn.Module, images: Tensor) -> Tensor:
        """Flattened features ``[example, feature]`` before the classifier, differentiable."""
        ...
