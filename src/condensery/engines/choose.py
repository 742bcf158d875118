"""Which engine computes the gradients of a network, and why.

The choice is made once for a run, and recorded with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from condensery.engines.autograd import Autograd
from condensery.engines.base import Engine
from condensery.engines.fused import Fused, supports
from condensery.engines.one_pass import OnePass
from condensery.networks import mixes_examples

NOT_COMPILED = "; not compiled"
"""The end of a reason; the reason why nothing is compiled may follow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """An engine, its name, and the reason of the choice."""

    engine: Engine
    name: str
    reason: str


def choose(
    name: str,
    network: nn.Module,
    precision: Literal["fp32", "tf32", "bf16"],
    *,
    compiled: bool,
    batch: int | None = None,
    saved_activations: int | None = None,
) -> EngineChoice:
    """The engine with a name; for ``"auto"`` the fastest engine that supports the network.

    Args:
        name: ``"auto"``, ``"autograd"`` (the reference), ``"one-pass"`` or ``"fused"``.
        network: The matching network.
        precision: Precision of the fused engine. The other engines compute in float32, and the
            reason says so.
        compiled: Whether to compile. Uncompiled, ``one-pass`` is faster than ``fused``.
        batch: See ``Fused``; the other engines ignore it.
        saved_activations: See ``Fused``; the other engines ignore it.
    """
    slow = "" if precision != "bf16" else "; matches in fp32, bf16 needs the fused engine"
    fused = Fused(
        precision="bf16" if precision == "bf16" else "fp32",  # TF32 is a setting of the device
        compile=compiled,
        batch=batch,
        saved_activations=saved_activations,
    )
    match name:
        case "autograd":
            return EngineChoice(engine=Autograd(), name=name, reason=f"asked for{slow}")
        case "one-pass":
            return EngineChoice(engine=OnePass(), name=name, reason=f"asked for{slow}")
        case "fused":
            return EngineChoice(engine=fused, name=name, reason="asked for")
        case _:
            pass
    if next(network.parameters(), None) is None:
        return EngineChoice(
            engine=Autograd(), name="autograd", reason="no network to differentiate"
        )
    culprit = mixes_examples(network)
    if culprit is not None:
        kind = type(network.get_submodule(culprit)).__name__
        reason = f"{culprit} ({kind}) mixes examples{slow}"
        return EngineChoice(engine=Autograd(), name="autograd", reason=reason)
    if not supports(network):
        reason = f"the fused engine does not support all of its layers{slow}"
    elif compiled or precision == "bf16":
        return EngineChoice(engine=fused, name="fused", reason="supports all layers of the network")
    else:
        reason = f"no example sees another{NOT_COMPILED}"
    return EngineChoice(engine=OnePass(), name="one-pass", reason=reason)


def pays_to_compile(network: nn.Module, *, side: tuple[int, int], updates: int) -> bool:
    """Whether compiling saves more time in a run on a CPU than the minute that it takes.

    On Fashion-MNIST with ConvNet-3 of width 64 and one thread, an image update takes 5.5 s
    uncompiled, 3.2 s compiled and 1 s in bfloat16. On the digits it always takes 0.4 s.

    Args:
        network: The matching network.
        side: Height and width of an image, in pixels.
        updates: Image updates in the whole run.
    """
    if next(network.parameters(), None) is None or mixes_examples(network) or not supports(network):
        return False
    return min(side) >= 16 and updates >= 100


def native_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 directly, without a conversion to float32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
