"""The interface between *what* is matched and *how* gradients are computed.

An engine computes one gradient per group from images and groups. ``Autograd`` is the reference:
every other engine is tested to agree with it in values and in image gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from torch import Tensor, nn

from condensery.types import Groups


class Engine(Protocol):
    """Computes gradients per group and features per example."""

    chunked: ClassVar[bool]
    """Whether a batch is computed in chunks, on several workers, so that a larger batch needs no
    more memory than its results take, unless ``images`` require a gradient."""

    def batch_size(self, images: Tensor) -> int:
        """The number of images that keeps all workers busy; 0 if every number does.

        Args:
            images: ``[example, channel, height, width]``; only their size matters.
        """
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
            network: Gives logits ``[example, class_]``. Its parameters are not changed and get no
                ``.grad``.
            images: As the network sees them, ``[example, channel, height, width]``.
            labels: Class index ``[example]`` or probabilities ``[example, class_]``.
            groups: Groups of these examples; every group has at least one member.
            names: Parameters, as in ``network.named_parameters()``.

        Returns:
            ``{name: [group, *shape]}``. Differentiable (once) with respect to ``images`` where
            these require a gradient, without any graph otherwise.

        Raises:
            UnsupportedNetwork: If this engine cannot differentiate ``network``.
        """
        ...

    def features(self, network: nn.Module, images: Tensor, *, blocks: int = 1) -> Tensor:
        """The input of the last layer, ``[example, feature]``; differentiable once.

        Args:
            network: As for ``gradients``.
            images: As the network sees them.
            blocks: Above 1, the features of so many last blocks (``networks.features``).

        Raises:
            UnsupportedNetwork: If this engine cannot differentiate ``network``, or it has fewer
                blocks.
        """
        ...

    def features_and_logits(
        self, network: nn.Module, images: Tensor, *, blocks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """``features`` and the logits ``[example, class_]``, from one pass if possible.

        Args:
            network: As for ``gradients``.
            images: As the network sees them.
            blocks: As in ``features``.

        Raises:
            UnsupportedNetwork: As ``features``.
        """
        ...
