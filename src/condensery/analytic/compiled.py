"""The functions of blocks and gates, compiled by ``torch.compile``.

One compilation serves every depth, image side and number of examples: only the channels and the
dtype are fixed in the code, because the loops over channels are the vectorised ones. The first call
costs seconds (benchmarks/inner_step.py says how many); later processes find the compiled code in
torch's cache on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from torch import Tensor

from condensery.analytic.blocks import Blocks
from condensery.compiling import Compiled
from condensery.toolchain import Fallback

__all__ = ["compiled"]


@cache
def compiled() -> Blocks:
    """The same functions as ``blocks.EAGER``; each compiles when it is first called.

    Where one cannot be compiled, a warning says why, and the uncompiled one is called instead.
    """
    return Blocks(lambda do: Fallback(_Block(do), do, what="The fused engine", alone=False))


class _Block(Compiled):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, kind=_kind, free=_free)


def _kind(z: Tensor, relu: bool, *rest: Tensor | float | None) -> tuple[object, ...]:
    """Dtype, squares, channels, ReLU, what is missing, and lengths of one.

    The last, torch always treats apart.
    """
    example, height, _, width, pool, channel = z.shape
    ones = (example == 1, height == 1, width == 1)
    return (z.dtype, pool, channel, relu, *ones, *(x is None for x in rest))


def _free(*given: Tensor | float | None) -> Iterator[tuple[Tensor, int]]:
    """Examples, height and width."""
    for x in given:
        if isinstance(x, Tensor):
            yield from ((x, axis) for axis in _FREE[x.ndim])


_FREE = {1: (), 2: (0,), 4: (0, 1, 2), 6: (0, 1, 3)}  # axes of channels', images', maps, squares
