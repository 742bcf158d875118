"""The six functions of blocks and gates, compiled by ``torch.compile``.

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

from condensery.compiling import Compiled
from condensery.engines.fused import blocks
from condensery.engines.fused.blocks import Blocks
from condensery.errors import ConfigError

__all__ = ["compiled"]


@cache
def compiled() -> Blocks:
    """The same functions as ``blocks.EAGER``; each compiles when it is first called."""
    return Blocks(
        forward=_Block(blocks.forward),
        backward=_Block(blocks.backward),
        tangent_forward=_Block(blocks.tangent_forward),
        tangent_backward=_Block(blocks.tangent_backward),
        gate=_Block(blocks.gate),
        ungate=_Block(blocks.ungate),
    )


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


def _kind(z: Tensor, relu: bool, pool: int, *rest: Tensor | float | None) -> tuple[object, ...]:
    """Dtype, channels, ReLU and pool, what is missing, and whether the pool drops pixels.

    And lengths of one, which torch always treats apart.
    """
    example, height, width, channel = z.shape
    return (
        *(z.dtype, channel, relu, pool, example == 1),
        *(height % pool, width % pool, height < 2 * pool, width < 2 * pool),
        *(height == 1, width == 1),
        *(x is None for x in rest),
    )


def _free(*given: Tensor | float | None) -> Iterator[tuple[Tensor, int]]:
    """All axes but channels."""
    for x in given:
        if isinstance(x, Tensor) and x.ndim > 1:
            yield from ((x, axis) for axis in range(x.ndim - 1))
