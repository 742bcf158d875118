"""Engines: how gradients of groups are computed, by the reference or by faster code."""

from condensery.engines.autograd import Autograd
from condensery.engines.base import Engine
from condensery.engines.choose import (
    NOT_COMPILED,
    EngineChoice,
    choose,
    native_bf16,
    pays_to_compile,
)
from condensery.engines.fused import Fused, FusedLoss, can_train, network_plan
from condensery.engines.one_pass import OnePass, cells

__all__ = [
    "NOT_COMPILED",
    "Autograd",
    "Engine",
    "EngineChoice",
    "Fused",
    "FusedLoss",
    "OnePass",
    "can_train",
    "cells",
    "choose",
    "native_bf16",
    "network_plan",
    "pays_to_compile",
]
