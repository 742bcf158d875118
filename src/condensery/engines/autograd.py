"""The reference engine: one call of autograd for each group, exactly as the equations say.

It is slow but correct for every network, also for networks that mix examples, because each group is
a batch of its own. Every faster engine is tested against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from condensery.networks import features, features_and_logits
from condensery.placed import on, positions
from condensery.types import Groups


@dataclass(frozen=True, slots=True)
class Autograd:
    """Group by group: forward, backward, and double backward if ``images`` require a gradient."""

    chunked: ClassVar[bool] = False

    def batch_size(self, images: Tensor) -> int:
        """See ``Engine.batch_size``."""
        del images
        return 0

    def gradients(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        groups: Groups,
        *,
        names: Sequence[str],
    ) -> dict[str, Tensor]:
        """See ``Engine.gradients``."""
        wanted = set(names)
        parameters = {
            name: p.detach().requires_grad_(name in wanted)
            for name, p in network.named_parameters()
        }
        rows = [on(images.device, positions(member)) for member in groups.member]
        found = [_group(network, parameters, images[at], labels[at], names) for at in rows]
        return {name: torch.stack([own[i] for own in found]) for i, name in enumerate(names)}

    def features(self, network: nn.Module, images: Tensor, *, blocks: int = 1) -> Tensor:
        """See ``Engine.features``."""
        return features(network, images, blocks=blocks).flatten(1)

    def features_and_logits(
        self, network: nn.Module, images: Tensor, *, blocks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """See ``Engine.features_and_logits``."""
        seen, logits = features_and_logits(network, images, blocks=blocks)
        return seen.flatten(1), logits


def _group(
    network: nn.Module,
    parameters: dict[str, Tensor],
    images: Tensor,
    labels: Tensor,
    names: Sequence[str],
) -> tuple[Tensor, ...]:
    buffers = {name: b.clone() for name, b in network.named_buffers()}  # batch norm writes there
    logits = functional_call(network, {**parameters, **buffers}, (images,))
    loss = nn.functional.cross_entropy(logits, labels)
    return torch.autograd.grad(
        loss, [parameters[name] for name in names], create_graph=images.requires_grad
    )
