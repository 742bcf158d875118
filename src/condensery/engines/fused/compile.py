"""Functions compiled by ``torch.compile``, and the blocks of the fused engine compiled so.

One compilation of a block serves every depth, image side and number of examples. Only the number of
channels and the dtype are constants of the code, because the loops over channels are the
vectorised ones. The first call takes seconds (benchmarks/inner_step.py measures them); later
processes find the compiled code in torch's cache on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor

from condensery.engines.fused.blocks import Blocks
from condensery.engines.toolchain import Fallback, cannot_compile, copy_of
from condensery.parallel import exclusive_lock, shared_lock

# The compiler stores a value that it has computed from many reads, or that is read many times.
# Here computing it again is always cheaper: a map that is written and read back takes 10 times as
# long (tangent of a block on 20 x 32x32x128 in bfloat16: 2300 us an image, against 215).
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "realize_reads_threshold": 100,
    "realize_acc_reads_threshold": 100,
    "realize_opcount_threshold": 1000,
}


class Compiled:
    """A function that is compiled once for every *kind* of call.

    Each kind is a function of its own for torch, which stops compiling a function after eight
    compilations. On a CPU the wrapper is in C++. It releases the interpreter lock, so that several
    threads compute at the same time; on one thread it is 2 to 8 % slower.

    Args:
        function: Its first argument is a tensor.
        kind: Maps the arguments to everything that is constant in the code. Device and number of
            threads are always part of the kind.
        dynamic: Maps the arguments to ``(tensor, axis)``: axes whose length varies in a kind.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        kind: Callable[..., tuple[object, ...]],
        dynamic: Callable[..., Iterable[tuple[Tensor, int]]],
    ) -> None:
        self._function, self._kind, self._dynamic = function, kind, dynamic
        self._compiled: dict[tuple[object, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401
        """Call the compiled function; the first call of a kind compiles it, which takes seconds.

        Raises:
            RuntimeError: If it cannot be compiled (``toolchain.Fallback`` then runs uncompiled).
        """
        device = arguments[0].device
        kind = (device, torch.get_num_threads(), *self._kind(*arguments))
        if kind not in self._compiled:
            with exclusive_lock():
                if kind not in self._compiled:
                    return self._first_call(kind, *arguments)
        with shared_lock:
            return self._compiled[kind](*arguments)

    def _first_call(self, kind: tuple[object, ...], *arguments: Any) -> Any:  # noqa: ANN401
        device = arguments[0].device.type
        if device == "cpu" and (cause := cannot_compile()) is not None:
            raise RuntimeError(cause)
        for x, axis in self._dynamic(*arguments):
            torch._dynamo.maybe_mark_dynamic(x, axis)
        options = {**_OPTIONS, "cpp_wrapper": device == "cpu"}
        compiled = torch.compile(copy_of(self._function), options=options)
        result = compiled(*arguments)
        self._compiled[kind] = compiled
        return result


@cache
def compiled_blocks() -> Blocks:
    """The functions of ``blocks.EAGER``, each compiled when it is first called.

    If a function cannot be compiled, a warning says why, and the uncompiled one is called.
    """
    return Blocks(_compiled_block)


def _compiled_block(function: Callable[..., Any]) -> Callable[..., Any]:
    compiled = Compiled(function, kind=_kind, dynamic=_dynamic)
    return Fallback(compiled, function, what="The fused engine", alone=False)


def _kind(z: Tensor, relu: bool, *rest: Tensor | float | None) -> tuple[object, ...]:
    """Dtype, pool size, channels, ReLU, missing arguments, and which lengths are 1.

    Torch always compiles a length of 1 as a constant.
    """
    example, height, _, width, pool, channel = z.shape
    ones = (example == 1, height == 1, width == 1)
    return (z.dtype, pool, channel, relu, *ones, *(x is None for x in rest))


def _dynamic(*arguments: Tensor | float | None) -> Iterator[tuple[Tensor, int]]:
    """Examples, height and width."""
    for x in arguments:
        if isinstance(x, Tensor):
            yield from ((x, axis) for axis in _DYNAMIC[x.ndim])


_DYNAMIC = {1: (), 2: (0,), 4: (0, 1, 2), 6: (0, 1, 3)}
"""Dynamic axes by number of axes: of channels, statistics, maps and pool windows."""
