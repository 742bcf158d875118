"""How the gradient of the training loss is computed: the reference, and faster twins of it.

All twins are one function of a network's batch. The reference is eager autograd in fp32.
``"bf16"`` multiplies in bfloat16 and keeps weights, statistics, softmax and loss in fp32.
Compiled, networks that ``is_analytic`` knows are differentiated so, in batches of any length;
others through a compiled loss, in full batches only, as each length would be compiled anew.

Knows nothing about optimisers or augmentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from condensery.analytic.known import known
from condensery.toolchain import Fallback, cannot_compile
from condensery.training.analytic import Analytic, is_analytic
from condensery.training.precision import Loss, loss_function

__all__ = ["Gradients", "Mix", "gradients_of"]


class Mix(NamedTuple):
    """A batch as the network sees it; its loss is ``ratio`` own + ``1 - ratio`` partner."""

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    ratio: Tensor


_Found: TypeAlias = tuple[Tensor, tuple[Tensor | None, ...]]


@dataclass(frozen=True, slots=True)
class Gradients:
    """A function of batches.

    Attributes:
        of: The loss, and its gradient for every parameter that is trained, None where it has none.
        analytic: Whether ``of`` cuts a batch into tasks and calls no module: no longer, where
            compiling has failed.
    """

    of: Callable[[Mix], _Found]
    analytic: Callable[[], bool] = lambda: False


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
        return Gradients(eager)
    if all(p.device.type == "cpu" for p in network.parameters()):
        cannot_compile()  # asks once in a process; ``Fallback`` heeds the answer
    if is_analytic(network):
        analytic = Fallback(_analytic(network, precision), eager, what="Training of networks")
        return Gradients(analytic, lambda: not analytic.failed)
    whole = Fallback(
        _autograd(network, loss_function(precision, compiled=True)),
        eager,
        what="Training of networks",
    )
    return Gradients(lambda mix: (whole if len(mix.images) == batch else eager)(mix))


def _autograd(network: nn.Module, loss_of: Loss) -> Callable[[Mix], _Found]:
    trained = [p for p in network.parameters() if p.requires_grad]

    def gradients(mix: Mix) -> _Found:
        loss = loss_of(network, *mix)
        return loss.detach(), torch.autograd.grad(loss, trained, allow_unused=True)

    return gradients


def _analytic(network: nn.Module, precision: str) -> Callable[[Mix], _Found]:
    trained = [name for name, p in network.named_parameters() if p.requires_grad]
    analytic = Analytic(network, precision=precision, compiled=True)

    def gradients(mix: Mix) -> _Found:
        # Cross-entropy is linear in its target, so that mixed targets have the mixed loss.
        classes = known(network, mix.images).classes
        own, partner = (
            _probabilities(labels, classes, like=mix.ratio)
            for labels in (mix.labels, mix.partner_labels)
        )
        targets = torch.lerp(partner, own, mix.ratio)
        loss, found = analytic.gradients(mix.images, targets)
        return loss, tuple(found[name] for name in trained)

    return gradients


def _probabilities(labels: Tensor, classes: int, *, like: Tensor) -> Tensor:
    if not labels.is_floating_point():
        labels = functional.one_hot(labels, classes)
    return labels.to(like.dtype)
