"""Which examples are swept together, so that every thread is busy and maps stay small.

Knows nothing about what a sweep does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from torch import Tensor

from condensery.analytic.steps import Piece
from condensery.parallel import workers

__all__ = ["shares", "usual_batch"]


def usual_batch(precision: str, images: Tensor) -> int:
    """Images swept at once where nobody says: 64 in bfloat16, 32 otherwise.

    Fewer if they are larger than 32x32 pixels, as the largest map of a ConvNet of width 128 is then
    half of what ``keep_freed`` allows. More if they are less than 16 a thread, or 2 of large ones.
    """
    usual, hands = (64 if precision == "bf16" else 32), workers()
    share = 32 * 32 / (images.shape[2] * images.shape[3])
    if share >= 1:
        return max(usual, 16 * hands)
    return max(int(usual * share), 2 * hands)


def shares(counts: Sequence[int], batch: int, *, like: Tensor) -> list[list[Piece]]:
    """Cut cells of these sizes, laid end to end, into even sweeps: one a thread and batch.

    Args:
        counts: Examples of each cell.
        batch: Examples of all sweeps that run at once.
        like: The examples; on an accelerator, which is busy with one, sweeps do not share a batch.

    Returns:
        The pieces of every sweep.
    """
    hands = workers() if like.device.type == "cpu" else 1
    total = sum(counts)
    number = min(total, -(-total // batch) * hands)
    ends = [total * (sweep + 1) // number for sweep in range(number)]
    sweeps: list[list[Piece]] = [[] for _ in ends]
    begin = 0
    for cell, end in enumerate(accumulate(counts)):
        for pieces, first, last in zip(sweeps, [0, *ends], ends, strict=False):
            start, stop = max(begin, first) - first, min(end, last) - first
            if start < stop:
                pieces.append(Piece(cell=cell, start=start, stop=stop))
        begin = end
    return sweeps
