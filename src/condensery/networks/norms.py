"""Normalisation layers by what they average over: one image, or the batch.

Knows nothing about the networks that they stand in.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

__all__ = ["Norm", "batch_norm", "instance_norm"]

Norm = Callable[[int], nn.Module]
"""Called with the number of filters."""


def instance_norm(width: int) -> nn.Module:
    """A ``GroupNorm`` with one group per filter: an affine instance norm.

    The same numbers in train and eval mode, and no example sees another.
    """
    return nn.GroupNorm(width, width)


def batch_norm(width: int) -> nn.Module:
    """Batch norm: in train mode every example sees the others of its batch."""
    return nn.BatchNorm2d(width)
