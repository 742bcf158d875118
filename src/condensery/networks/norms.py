"""Normalisation layers, which average over one image or over the batch.

Knows nothing about the networks that use them.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

Norm = Callable[[int], nn.Module]
"""Called with the number of filters."""


def instance_norm(width: int) -> nn.Module:
    """A ``GroupNorm`` with one group per filter: an affine instance norm.

    It is the same in train and eval mode, and does not mix examples.
    """
    return nn.GroupNorm(width, width)


def batch_norm(width: int) -> nn.Module:
    """Batch norm: in train mode it mixes the examples of a batch."""
    return nn.BatchNorm2d(width)
