"""How the gradient of the training loss is computed: by the reference, or faster.

The reference is uncompiled autograd in float32. ``"bf16"`` multiplies in bfloat16 and keeps
weights, statistics, softmax and loss in float32. Compiled, the fused engine differentiates the
networks that it can train (``can_train``), in batches of any length. The loss of other networks is
compiled, for full batches only, because each length would be another compilation. With CUDA graphs
this is done for all networks: a GPU then gets a step as one piece of work, not kernel by kernel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from condensery.engines import FusedLoss, can_train, network_plan
from condensery.engines.toolchain import Fallback, cannot_compile, cause_of
from condensery.training.precision import Compiling, Loss, loss_function

_log = logging.getLogger(__name__)


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
    compiled: Compiling,
    batch: int,
    loss: str = "cross-entropy",
) -> Gradients:
    """The gradient function of a network; every call reads the current parameters.

    Args:
        network: A network in train mode.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether to compile. If that fails, a warning says why, and the function continues
            uncompiled; ``"graphs"`` continues as with True.
        batch: Images in a full batch.
        loss: A name of ``LOSSES``; the fused engine supports only the cross-entropy.

    Raises:
        ConfigError: If ``precision`` or ``loss`` is unknown.
    """
    eager = _autograd(network, loss_function(precision, compiled=False, loss=loss))
    if not compiled:
        return Gradients(eager)
    if compiled == "graphs":
        usual = gradients_of(network, precision=precision, compiled=True, batch=batch, loss=loss)
        replayed = _compiled(network, precision, compiled, loss)
        return Gradients(_Graphs(replayed, usual.of, batch=batch))
    if all(p.device.type == "cpu" for p in network.parameters()):
        cannot_compile()  # asks once in a process; ``Fallback`` heeds the answer
    if loss == "cross-entropy" and can_train(network):
        fused = Fallback(_fused(network, precision), eager, what="Training of networks")
        return Gradients(fused, lambda: not fused.failed)
    whole = Fallback(
        _compiled(network, precision, compiled, loss),
        eager,
        what="Training of networks",
    )
    return Gradients(lambda mix: (whole if len(mix.images) == batch else eager)(mix))


class _Graphs:
    """Calls ``replayed`` for full batches until it fails once in this process, then ``usual``."""

    failed = False

    def __init__(
        self,
        replayed: Callable[[MixedBatch], _Found],
        usual: Callable[[MixedBatch], _Found],
        *,
        batch: int,
    ) -> None:
        self._replayed, self._usual, self._batch = replayed, usual, batch

    def __call__(self, mix: MixedBatch) -> _Found:
        if len(mix.images) != self._batch or _Graphs.failed:
            return self._usual(mix)
        torch.compiler.cudagraph_mark_step_begin()  # the results of the step before are used up
        try:
            loss, found = self._replayed(mix)
        except Exception as error:  # a mistake in the arguments shows again in the usual function
            result = self._usual(mix)
            _Graphs.failed = True
            _log.warning(
                "Training of networks goes on without CUDA graphs, which gives the same results up "
                "to rounding, because torch cannot make them here: %s. Read no warning with --set "
                "compiled=true.",
                cause_of(error).rstrip("."),
            )
            return result
        return loss.clone(), found  # the next step overwrites what this one returned


def _autograd(network: nn.Module, loss_of: Loss) -> Callable[[MixedBatch], _Found]:
    trained = [p for p in network.parameters() if p.requires_grad]

    def gradients(mix: MixedBatch) -> _Found:
        loss = loss_of(network, *mix)
        return loss.detach(), torch.autograd.grad(loss, trained, allow_unused=True)

    return gradients


def _compiled(
    network: nn.Module, precision: str, compiled: Compiling, loss: str
) -> Callable[[MixedBatch], _Found]:
    own = loss_function(precision, compiled=compiled, loss=loss, architecture=repr(network))
    return _autograd(network, own)


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
