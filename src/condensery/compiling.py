"""Functions compiled by ``torch.compile``, once for every kind of call.

Knows nothing about what the functions compute, nor for whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor

from condensery.parallel import exclusive_lock, shared_lock
from condensery.toolchain import cannot_compile

__all__ = ["Compiled"]

# The compiler writes a value to memory that it has computed from many reads or that many later
# values read. Here recomputing is always cheaper: a map that is written and read back costs 10x
# (the tangent of a block on 20 x 32x32x128 in bfloat16: 2300 us an image, against 215).
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "realize_reads_threshold": 100,
    "realize_acc_reads_threshold": 100,
    "realize_opcount_threshold": 1000,
}


class Compiled:
    """A function compiled once for every *kind* of call; within a kind, free axes may vary.

    Each kind is a function of its own, as torch gives up compiling one that it compiled eight
    times. On a CPU the wrapper is in C++, which lets go of the interpreter, so that several threads
    compute side by side; it is 2 to 8 % slower on one thread.

    Args:
        function: Its first argument is a tensor.
        kind: What the code must know of a call; device and number of threads are known anyway.
        free: Axes of arguments whose length may vary.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        kind: Callable[..., tuple[object, ...]],
        free: Callable[..., Iterable[tuple[Tensor, int]]],
    ) -> None:
        self._function = cast(FunctionType, function)
        self._kind, self._free = kind, free
        self._fast: dict[tuple[object, ...], Callable[..., Any]] = {}

    def __call__(self, *given: Any) -> Any:  # noqa: ANN401
        """Call the function, compiled; the first call of a kind takes seconds.

        Raises:
            RuntimeError: If it cannot be compiled; ``toolchain.Fallback`` goes on uncompiled.
        """
        kind = (given[0].device, torch.get_num_threads(), *self._kind(*given))
        if kind not in self._fast:
            with exclusive_lock():
                if kind not in self._fast:
                    return self._first(kind, *given)
        with shared_lock:
            return self._fast[kind](*given)

    def _first(self, kind: tuple[object, ...], *given: Any) -> Any:  # noqa: ANN401
        if given[0].device.type == "cpu" and (cause := cannot_compile()) is not None:
            raise RuntimeError(cause)
        for x, axis in self._free(*given):
            torch._dynamo.maybe_mark_dynamic(x, axis)
        options = {**_OPTIONS, "cpp_wrapper": given[0].device.type == "cpu"}
        fast = torch.compile(_copy(self._function, len(self._fast)), options=options)
        found = fast(*given)
        self._fast[kind] = fast
        return found


def _copy(function: FunctionType, number: int) -> FunctionType:
    """The same function, which torch counts as another."""
    code = function.__code__.replace(co_name=f"{function.__name__}_{number}")
    return FunctionType(code, function.__globals__, code.co_name)
