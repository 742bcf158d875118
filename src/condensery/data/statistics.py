"""Mean and deviation of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Mean and standard deviation per channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def measure(images: UInt8[Tensor, "image channel height width"]) -> Statistics:
    """Measure mean and population deviation per channel, exactly, from counts of byte values.

    A constant channel gets the deviation 1, so that it is normalised to 0.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean: list[float] = []
    std: list[float] = []
    for channel in range(images.shape[1]):
        counts = _histogram(images[:, channel]).to(torch.float64)
        share = counts / counts.sum()
        centre = float((share * levels).sum())
        spread = float((share * (levels - centre) ** 2).sum()) ** 0.5
        mean.append(centre)
        std.append(spread if int((counts > 0).sum()) > 1 else 1.0)
    return Statistics(mean=tuple(mean), std=tuple(std))


def _histogram(values: Tensor, *, most: int = 2**22) -> Tensor:
    """Count byte values, ``most`` at a time: ``bincount`` makes 8-byte copies."""
    counts = torch.zeros(256, dtype=torch.int64)
    rows = max(1, most // values[0].numel())
    for block in values.split(rows):
        counts += torch.bincount(block.reshape(-1), minlength=256)
    return counts
