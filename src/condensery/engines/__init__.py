"""How gradients per group are computed: the reference, and what agrees with it faster."""

from condensery.engines.autograd import Autograd
from condensery.engines.base import Engine
from condensery.engines.choose import (
    Choice,
    choose,
    compiler,
    native_bf16,
    pays_to_compile,
)
from condensery.engines.fused import Fused
from condensery.engines.one_pass import OnePass, cells

__all__ = [
    "Autograd",
    "Choice",
    "Engine",
    "Fused",
    "OnePass",
    "cells",
    "choose",
    "compiler",
    "native_bf16",
    "pays_to_compile",
]
