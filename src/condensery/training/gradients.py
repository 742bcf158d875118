"""How the gradient of the training loss is computed: the reference, and faster twins of it.

All twins are one function of a network's batch. The reference is eager autograd in fp32.
``"bf16"`` multiplies in bfloat16 and keeps weights, statistics, softmax and loss in fp32.
Compiled, our ConvNet is differentiated analytically (``sweep``), in batches of any length; other
networks through a compiled loss, in full batches only, as each length would be compiled anew.

Knows nothing about optimisers or augmentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from condensery.networks.convnet import ConvNet
from condensery.training.fast import Fast
from condensery.training.precision import Loss, loss_function
from condensery.training.sweep import Sweep, sweeps

__all__ = ["Gradients", "Mix", "gradients_of"]


class Mix(NamedTuple):
    """A batch as the network sees it; its loss is ``ratio`` own + ``1 - ratio`` partner."""

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    ratio: Tensor


Gradients: TypeAlias = Callable[[Mix], tuple[Tensor, tuple[Tensor | None, ...]]]
"""The loss, and its gradient for every parameter that is trained, None where it has none."""


def gradients_of(network: nn.Module, *, precision: str, compiled: bool, batch: int) -> Gradients:
    """The gradient of ``network``, read anew in every call.

    Args:
        network: In train mode.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether to compile; where that fails, a warning says so and eager goes on.
        batch: Images in a full batch.

    Raises:
        ConfigError: If ``precision`` is unknown.
    """
    eager = _autograd(network, loss_function(precision, compiled=False))
    if not compiled:
        return eager
    if sweeps(network):
        return Fast(_analytic(cast(ConvNet, network), precision), eager, what="training")
    whole = Fast(
        _autograd(network, loss_function(precision, compiled=True)), eager, what="training"
    )
    return lambda mix: (whole if len(mix.images) == batch else eager)(mix)


def _autograd(network: nn.Module, loss_of: Loss) -> Gradients:
    trained = [p for p in network.parameters() if p.requires_grad]

    def gradients(mix: Mix) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        loss = loss_of(network, *mix)
        return loss.detach(), torch.autograd.grad(loss, trained, allow_unused=True)

    return gradients


def _analytic(network: ConvNet, precision: str) -> Gradients:
    trained = [name for name, p in network.named_parameters() if p.requires_grad]
    sweep = Sweep(network, precision=precision, compiled=True)
    classes = network.classifier.out_features

    def gradients(mix: Mix) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        # Cross-entropy is linear in its target, so that mixed targets have the mixed loss.
        own, partner = (
            _probabilities(labels, classes, like=mix.ratio)
            for labels in (mix.labels, mix.partner_labels)
        )
        targets = torch.lerp(partner, own, mix.ratio)
        loss, found = sweep.gradients(mix.images, targets)
        return loss, tuple(found[name] for name in trained)

    return gradients


def _probabilities(labels: Tensor, classes: int, *, like: Tensor) -> Tensor:
    if not labels.is_floating_point():
        labels = functional.one_hot(labels, classes)
    return labels.to(like.dtype)
