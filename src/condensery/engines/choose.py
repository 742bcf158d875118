"""Which engine serves a network, and why."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from condensery.engines.autograd import Autograd
from condensery.engines.base import Engine
from condensery.engines.one_pass import OnePass
from condensery.networks import mixes_examples

__all__ = ["Choice", "choose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An engine and the reason it was taken."""

    engine: Engine
    name: str
    reason: str


def choose(name: str, network: nn.Module, precision: str, *, compiled: bool) -> Choice:
    """The engine called ``name``, or the fastest that accepts ``network`` for ``"auto"``.

    Args:
        name: ``"auto"``, ``"autograd"`` (reference) or ``"one-pass"``.
        network: The matching network.
        precision: ``"fp32"`` or ``"bf16"``.
        compiled: Whether compiling pays.
    """
    del precision, compiled
    if name == "autograd":
        return Choice(engine=Autograd(), name="autograd", reason="asked for")
    if name == "one-pass":
        return Choice(engine=OnePass(), name="one-pass", reason="asked for")
    culprit = mixes_examples(network)
    if culprit is not None:
        reason = f"{culprit} ({type(network.get_submodule(culprit)).__name__}) mixes examples"
        return Choice(engine=Autograd(), name="autograd", reason=reason)
    return Choice(engine=OnePass(), name="one-pass", reason="every example is treated alone")
