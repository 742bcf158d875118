"""How gradients per group are computed: the reference, and what agrees with it faster."""

from condensery.engines.autograd import Autograd
from condensery.engines.base import Engine
from condensery.engines.choose import Choice, choose, compiler
from condensery.engines.fused import Fused
from condensery.engines.one_pass import OnePass, cells

__all__ = ["Autograd", "Choice", "Engine", "Fused", "OnePass", "cells", "choose", "compiler"]
