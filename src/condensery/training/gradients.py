"""How the gradient of the training loss is computed: by the reference, or faster.

The reference is uncompiled autograd in float32. ``"bf16"`` multiplies in bfloat16 and keeps
weights, statistics, softmax and loss in float32. Compiled, the fused engine differentiates the
networks that it can train (``can_train``), in batches of any length. The loss of other networks is
compiled, for full batches only, because each length would be another compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from condensery.engines import FusedLoss, can_train, network_plan
from condensery.engines.toolchain import Fallback, cannot_compile
from condensery.training.precision import Loss, loss_function


class MixedBatch(NamedTuple):
    """A batch after CutMix; its loss is ``ratio * own + (1 - ratio) * partner``."""

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    ratio: Tensor


_Found: TypeAlias = tuple[Tensor, tuple[Tensor | None, ...]]


@dataclass(frozen=True, slots=True)
class Gradients:
    """The gradient of a training loss as a function of batches.

    Attributes:
        of: The loss, and its gradient for every parameter that is trained; None for a parameter
            on which the loss does not depend.
        fused: Whether the fused engine computes it, in chunks and without a call of a module. This
            ends when compiling has failed.
    """

    of: Callable[[MixedBatch], _Found]
    fused: Callable[[], bool] = lambda: False


def gradients_of(
    network: nn.Module,
    *,
    precision: str,
    compiled: bool,
    batch: int,
    loss: str = "cross-entropy",
) -> Gradients:
    """The gradient function of a network; every call reads the current parameters.

    Args:
        network: A network in train mode.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether to compile. If that fails, a warning says why, and the function continues
            uncompiled.
        batch: Images in a full batch.
        loss: A name of ``LOSSES``; the fused engine supports only the cross-entropy.

    Raises:
        ConfigError: If ``precision`` or ``loss`` is unknown.
    """
    eager = _autograd(network, loss_function(precision, compiled=False, loss=loss))
    if not compiled:
        return Gradients(eager)
    if all(p.device.type == "cpu" for p in network.parameters()):
        cannot_compile()  # asks once in a process; ``Fallback`` heeds the answer
    if loss == "cross-entropy" and can_train(network):
        fused = Fallback(_fused(network, precision), eager, what="Training of networks")
        return Gradients(fused, lambda: not fused.failed)
    whole = Fallback(
        _autograd(network, loss_function(precision, compiled=True, loss=loss)),
        eager,
        what="Training of networks",
    )
    return Gradients(lambda mix: (whole if len(mix.images) == batch else eager)(mix))


def _autograd(network: nn.Module, loss_of: Loss) -> Callable[[MixedBatch], _Found]:
    trained = [p for p in network.parameters() if p.requires_grad]

    def gradients(mix: MixedBatch) -> _Found:
        loss = loss_of(network, *mix)
        return loss.detach(), torch.autograd.grad(loss, trained, allow_unused=True)

    return gradients


def _fused(network: nn.Module, precision: str) -> Callable[[MixedBatch], _Found]:
    trained = [name for name, p in network.named_parameters() if p.requires_grad]
    fused = FusedLoss(network, precision=precision, compile=True)

    def gradients(mix: MixedBatch) -> _Found:
        # Cross-entropy is linear in its targets, so mixed targets have the mixed loss.
        classes = network_plan(network, mix.images).classes
        own, partner = (
            _probabilities(labels, classes, like=mix.ratio)
            for labels in (mix.labels, mix.partner_labels)
        )
        targets = torch.lerp(partner, own, mix.ratio)
        loss, found = fused.gradients(mix.images, targets)
        return loss, tuple(found[name] for name in trained)

    return gradients


def _probabilities(labels: Tensor, classes: int, *, like: Tensor) -> Tensor:
    if not labels.is_floating_point():
        labels = functional.one_hot(labels, classes)
    return labels.to(like.dtype)
