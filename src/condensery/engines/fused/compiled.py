"""The six functions of blocks and gates, compiled by ``torch.compile``.

One compilation serves every depth, image side and number of examples: only the channels and the
dtype are fixed in the code, because the loops over channels are the vectorised ones. The first call
costs seconds (benchmarks/inner_step.py says how many); later processes find the compiled code in
torch's cache on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from condensery.engines.fused import blocks
from condensery.engines.fused.blocks import Blocks
from condensery.errors import ConfigError

__all__ = ["compiled"]

# The compiler writes a value to memory that it has computed from many reads or that many later
# values read. Here recomputing is always cheaper: a map that is written and read back costs 10x
# (tangent_backward on 20 x 32x32x128 in bfloat16: 2300 us an image, against 215).
#
# On a CPU the wrapper is in C++, which lets go of the interpreter: sweeps then run side by side
# (benchmarks/bench.py). It is 2 to 6 % slower on one thread.
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "realize_reads_threshold": 100,
    "realize_acc_reads_threshold": 100,
    "realize_opcount_threshold": 1000,
    "cpp_wrapper": True,
}

_ONE_AT_A_TIME = Lock()
"""Held while something is compiled."""


@cache
def compiled() -> Blocks:
    """The same functions as ``blocks.EAGER``; each compiles when it is first called."""
    return Blocks(
        forward=_Compiled(cast(FunctionType, blocks.forward)),
        backward=_Compiled(cast(FunctionType, blocks.backward)),
        tangent_forward=_Compiled(cast(FunctionType, blocks.tangent_forward)),
        tangent_backward=_Compiled(cast(FunctionType, blocks.tangent_backward)),
        gate=_Compiled(cast(FunctionType, blocks.gate)),
        ungate=_Compiled(cast(FunctionType, blocks.ungate)),
    )


class _Compiled:
    """A function compiled once for every *kind* of call; within a kind, sizes vary freely.

    A kind is what the code must know: threads, dtype, channels, ReLU and pool, which arguments are
    missing, pixels that the pool drops, and lengths of one, which torch always treats apart. Each
    kind is a function of its own, as torch gives up compiling one that it compiled eight times.
    """

    def __init__(self, function: FunctionType) -> None:
        self._function = function
        self._fast: dict[tuple[object, ...], Callable[..., Any]] = {}

    def __call__(self, z: Tensor, relu: bool, pool: int, *rest: Tensor | float | None) -> Any:  # noqa: ANN401
        example, height, width, channel = z.shape
        kind = (
            *(z.device, torch.get_num_threads(), z.dtype, channel, relu, pool, example == 1),
            *(height % pool, width % pool, height < 2 * pool, width < 2 * pool),
            *(height == 1, width == 1),
            *(x is None for x in rest),
        )
        fast = self._fast.get(kind)
        if fast is None:
            with _ONE_AT_A_TIME:
                fast = self._fast.get(kind)
                if fast is None:
                    return self._first(kind, z, relu, pool, *rest)
        return fast(z, relu, pool, *rest)

    def _first(self, kind: tuple[object, ...], z: Tensor, *rest: Tensor | float | None) -> Any:  # noqa: ANN401
        for x in (z, *rest):
            if isinstance(x, Tensor) and x.ndim > 1:
                for axis in range(x.ndim - 1):
                    torch._dynamo.maybe_mark_dynamic(x, axis)
        fast = torch.compile(_copy(self._function, len(self._fast)), options=_OPTIONS)
        try:
            found = fast(z, *rest)
        except (TorchDynamoException, RuntimeError) as error:
            raise ConfigError(
                f"engine fused with compile=True could not compile on {z.device}: "
                f"{str(error).splitlines()[0]} On a CPU this needs a C++ compiler such as g++. "
                "compile=False needs none, and gives the same results more slowly."
            ) from error
        self._fast[kind] = fast
        return found


def _copy(function: FunctionType, number: int) -> FunctionType:
    """The same function, which torch counts as another."""
    code = function.__code__.replace(co_name=f"{function.__name__}_{number}")
    return FunctionType(code, function.__globals__, code.co_name)
