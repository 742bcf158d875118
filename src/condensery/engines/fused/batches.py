"""Cuts a batch into chunks for the workers, small enough that feature maps stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from torch import Tensor

from condensery.devices import accelerated
from condensery.engines.fused.layers import CellSlice
from condensery.parallel import workers


def default_batch_size(precision: str, images: Tensor) -> int:
    """Number of images in all chunks that are computed at the same time.

    It is 64 in bfloat16 and 32 otherwise. Images of more than 32x32 pixels get proportionally
    less: the largest map of a ConvNet of width 128 is then half of what ``keep_freed_memory``
    allows. Every worker gets at least 16 images, or 2 large ones.

    Args:
        precision: ``"bf16"`` or ``"fp32"``.
        images: ``[example, channel, height, width]``; only their size matters.
    """
    usual, count = (64 if precision == "bf16" else 32), workers()
    share = 32 * 32 / (images.shape[2] * images.shape[3])
    if share >= 1:
        return max(usual, 16 * count)
    return max(int(usual * share), 2 * count)


def split(counts: Sequence[int], batch: int, *, like: Tensor) -> list[list[CellSlice]]:
    """Cut examples, sorted by cell, into chunks of nearly equal length.

    There are as many chunks as workers for each ``batch`` examples. On an accelerator, which one
    chunk keeps busy, there is one chunk for each ``batch`` examples.

    Args:
        counts: Examples of each cell.
        batch: Examples in all chunks that are computed at the same time, at least 1.
        like: The examples, for their device.

    Returns:
        For each chunk its pieces: the parts of the cells that lie in it.
    """
    count = 1 if accelerated(like.device) else workers()
    total = sum(counts)
    number = min(total, -(-total // batch) * count)
    ends = [total * (chunk + 1) // number for chunk in range(number)]
    chunks: list[list[CellSlice]] = [[] for _ in ends]
    begin = 0
    for cell, end in enumerate(accumulate(counts)):
        for pieces, first, last in zip(chunks, [0, *ends], ends, strict=False):
            start, stop = max(begin, first) - first, min(end, last) - first
            if start < stop:
                pieces.append(CellSlice(cell=cell, start=start, stop=stop))
        begin = end
    return chunks
