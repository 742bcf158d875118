"""How gradients per group are computed: the reference, and what agrees with it faster."""

from condensery.engines.autograd import Autograd
from condensery.engines.base import Engine
from condensery.engines.choose import (
    NOT_COMPILED,
    Choice,
    choose,
    native_bf16,
    pays_to_compile,
)
from condensery.engines.fused import Fused
from condensery.engines.one_pass import OnePass, cells

__all__ = [
    "NOT_COMPILED",
    "Autograd",
    "Choice",
    "Engine",
    "Fused",
    "OnePass",
    "cells",
    "choose",
    "native_bf16",
    "pays_to_compile",
]
