"""How a training loss is computed: in float32 (the reference), in bfloat16, compiled or not.

``"bf16"`` multiplies in bfloat16 and keeps weights, normalisation statistics, softmax and loss in
float32. A compiled loss does the same with fused kernels. It is compiled once per process,
architecture and batch shape, and shared by all networks of that architecture: the parameters are
inputs of the compiled code. For networks that ``can_train`` accepts, the fused engine is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from condensery.errors import ConfigError, nearest

__all__ = [
    "COMPILE_AFTER",
    "FUSED_AFTER",
    "PRECISIONS",
    "Loss",
    "autocast",
    "check_precision",
    "loss_function",
]

PRECISIONS = ("fp32", "bf16")

COMPILE_AFTER = 1000
"""Full-batch steps of one architecture in one process from which compiling saves time.

Compiling took 15 to 50 s and saves 0.05 s (width 64) to 0.14 s (width 128) per bf16 step."""

FUSED_AFTER = 300
"""The same for networks that the fused engine can train, whose batches may have any length.

Compiling took 24 s with an empty cache and saves 0.08 s (width 64) to 0.2 s (width 128) a step
against eager bf16; benchmarks/training.py measures the steps."""

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor, Tensor], Tensor]


def check_precision(precision: str) -> None:
    """Refuse an unknown precision, naming the nearest known one."""
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        hint = nearest(precision, PRECISIONS)
        raise ConfigError(f"precision = {precision!r} is unknown; known are {known}.{hint}")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network runs at ``precision``: nothing at all for fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def mixed_cross_entropy(
    logits: Tensor, labels: Tensor, partner_labels: Tensor, ratio: Tensor
) -> Tensor:
    """``ratio * CE(own) + (1 - ratio) * CE(partner)``, each the mean over the batch, in fp32."""
    logits = logits.float() if logits.dtype == torch.bfloat16 else logits
    own = functional.cross_entropy(logits, labels)
    return ratio * own + (1 - ratio) * functional.cross_entropy(logits, partner_labels)


def loss_fp32(
    network: nn.Module, images: Tensor, labels: Tensor, partner_labels: Tensor, ratio: Tensor
) -> Tensor:
    """The reference: float32, or whatever dtype network and images have."""
    return mixed_cross_entropy(network(images), labels, partner_labels, ratio)


def loss_bf16(
    network: nn.Module, images: Tensor, labels: Tensor, partner_labels: Tensor, ratio: Tensor
) -> Tensor:
    """The same with the network under bfloat16 autocast."""
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = network(images)
    return mixed_cross_entropy(logits, labels, partner_labels, ratio)


@cache
def loss_function(precision: str, *, compiled: bool) -> Loss:
    """The training loss at a precision; one compiled object per process, so networks share it."""
    check_precision(precision)
    loss = loss_bf16 if precision == "bf16" else loss_fp32
    return torch.compile(loss, dynamic=False) if compiled else loss
