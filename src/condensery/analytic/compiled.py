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
from torch._dynamo.exc import TorchDynamoException

from condensery.analytic.blocks import Blocks
from condensery.compiling import Compiled
from condensery.errors import ConfigError

__all__ = ["compiled"]


@cache
def compiled() -> Blocks:
    """The same functions as ``blocks.EAGER``; each compiles when it is first called."""
    return Blocks(_Block)


class _Block(Compiled):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, kind=_kind, free=_free)

    def _first(self, kind: tuple[object, ...], *given: Any) -> Any:  # noqa: ANN401
        try:
            return super()._first(kind, *given)
        except (TorchDynamoException, RuntimeError) as error:
            raise ConfigError(
                f"engine fused with compile=True could not compile on {given[0].device}: "
                f"{str(error).splitlines()[0]} On a CPU this needs a C++ compiler such as g++. "
                "compile=False needs none, and gives the same results more slowly."
            ) from error


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
