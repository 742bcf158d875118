"""How a training loss is computed: in float32 (the reference), in bfloat16, compiled or not.

``"fp32"`` is exact on every device. ``"tf32"`` is the same code under ``devices.computing``, which
lets a GPU round the factors of products to 10 bits.

``"bf16"`` multiplies in bfloat16 and keeps weights, normalisation statistics, softmax and loss in
float32. A compiled loss does the same with fused kernels. It is compiled once per process,
architecture and batch shape, and shared by all networks of that architecture: the parameters are
inputs of the compiled code. For networks that ``can_train`` accepts, the fused engine is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from condensery.devices import accelerated
from condensery.engines import native_bf16
from condensery.engines.toolchain import copy_of
from condensery.errors import ConfigError, nearest

PRECISIONS = ("fp32", "tf32", "bf16")

Compiling: TypeAlias = bool | Literal["graphs"]
"""Whether something is compiled; ``"graphs"``: and replayed as CUDA graphs, on a GPU."""

COMPILE_AFTER = 1000
"""From so many full-batch steps of one architecture in one process on, compiling saves time.

Compiling took 15 to 50 s and saves 0.05 s (width 64) to 0.14 s (width 128) per bf16 step."""

FUSED_AFTER = 300
"""As ``COMPILE_AFTER``, for networks that the fused engine can train with batches of any length.

Compiling took 24 s with an empty cache and saves 0.08 s (width 64) to 0.2 s (width 128) a step
against eager bf16; benchmarks/training.py measures the steps."""

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor, Tensor], Tensor]


def check_precision(precision: str) -> None:
    """Refuse an unknown precision; the error names the nearest known one."""
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        hint = nearest(precision, PRECISIONS)
        raise ConfigError(f"precision = {precision!r} is unknown; known are {known}.{hint}")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network runs in bfloat16; an empty one for other precisions."""
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def suited_precision(precision: str, device: torch.device | str) -> str:
    """``"auto"`` as a precision of this machine; another one as it is.

    It is ``"bf16"`` on a CPU that multiplies bfloat16, and ``"fp32"`` elsewhere, also on GPUs.
    """
    if precision != "auto":
        return precision
    on_cpu = not accelerated(device)
    return "bf16" if on_cpu and native_bf16(str(device)) else "fp32"


Criterion = Callable[[Tensor, Tensor], Tensor]
"""From logits ``[example, class_]`` and labels (class index or probabilities) to the mean loss."""


def squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Half the squared error of logits and labels minus ``1 / classes``, as in FRePo."""
    classes = logits.shape[1]
    if not labels.is_floating_point():
        labels = functional.one_hot(labels, classes)
    target = labels.to(logits.dtype) - 1 / classes
    return 0.5 * (logits - target).square().sum(dim=1).mean()


LOSSES: Mapping[str, Criterion] = {
    "cross-entropy": functional.cross_entropy,
    "squared-error": squared_error,
}
"""The training losses by name."""


def check_loss(loss: str) -> None:
    """Refuse an unknown loss; the error names the nearest known one."""
    if loss not in LOSSES:
        raise ConfigError(
            f"loss = {loss!r} is unknown; known are {', '.join(LOSSES)}.{nearest(loss, LOSSES)}"
        )


def mixed(
    logits: Tensor,
    labels: Tensor,
    partner_labels: Tensor,
    ratio: Tensor,
    criterion: Criterion = functional.cross_entropy,
) -> Tensor:
    """``ratio * loss(own) + (1 - ratio) * loss(partner)``, each a mean over the batch, in fp32."""
    logits = logits.float() if logits.dtype == torch.bfloat16 else logits
    own = criterion(logits, labels)
    return ratio * own + (1 - ratio) * criterion(logits, partner_labels)


def loss_fp32(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    partner_labels: Tensor,
    ratio: Tensor,
    criterion: Criterion = functional.cross_entropy,
) -> Tensor:
    """The reference: in float32, or in the dtype of network and images."""
    return mixed(network(images), labels, partner_labels, ratio, criterion)


def loss_bf16(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    partner_labels: Tensor,
    ratio: Tensor,
    criterion: Criterion = functional.cross_entropy,
) -> Tensor:
    """The same with the network under bfloat16 autocast."""
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = network(images)
    return mixed(logits, labels, partner_labels, ratio, criterion)


@cache
def loss_function(
    precision: str, *, compiled: Compiling, loss: str = "cross-entropy", architecture: str = ""
) -> Loss:
    """The training loss with a precision.

    Args:
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether it is compiled, perhaps with CUDA graphs.
        loss: A name of ``LOSSES``.
        architecture: Networks of one architecture share a compiled loss; each architecture has
            its own, because torch limits how often one function is compiled.
    """
    check_precision(precision)
    check_loss(loss)
    own = loss_bf16 if precision == "bf16" else loss_fp32
    own = copy_of(own) if compiled else own
    if loss != "cross-entropy":
        own = partial(own, criterion=LOSSES[loss])
    if compiled == "graphs":
        return torch.compile(own, dynamic=False, mode="reduce-overhead")
    return torch.compile(own, dynamic=False) if compiled else own
