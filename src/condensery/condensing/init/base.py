"""What the stored images are before the first update.

An initialisation chooses, class by class; the parameterization packs what was chosen. Knows
nothing about objectives, sizes or updates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from condensery.data import ImageData
from condensery.parameterizations import Parameterization, stored_rows
from condensery.types import Examples

__all__ = ["Init", "Network", "as_stored", "batches_of", "repeated"]

Network = Callable[..., nn.Module]
"""A fresh network from the path of its random stream: ``network("start", 0)``."""


class Init(Protocol):
    """First stored images. An initialisation must have ``make``."""

    nested: ClassVar[bool] = False
    """Whether the first images of a class do not depend on how many there are."""

    @abstractmethod
    def make(
        self,
        parameterization: Parameterization,
        data: ImageData,
        *,
        counts: Tensor,
        rng: torch.Generator,
        network: Network,
    ) -> Examples:
        """``counts[c]`` images of class ``c`` in [0, 1], rows sorted by rank, then class.

        Args:
            parameterization: Packs real images into stored ones.
            data: Real training images.
            counts: Stored images of each class, ``[class_]``.
            rng: For the choice.
            network: Makes the networks that a choice by features needs; never one of the run's.
        """
        ...


def as_stored(images: Sequence[Tensor], counts: Tensor) -> Examples:
    """Stored rows from the images ``[image, channel, height, width]`` of each class."""
    rank, class_ = stored_rows(counts)
    rows = torch.empty(len(rank), *images[0].shape[1:])
    for c, own in enumerate(images):
        rows[class_ == c] = own
    return Examples(images=rows, labels=class_.clone(), class_=class_, rank=rank)


def repeated(order: Tensor, count: int) -> Tensor:
    """The first ``count`` entries, starting over where there are fewer."""
    return order[torch.arange(count) % len(order)]


def batches_of(data: ImageData, index: Tensor, *, batch: int = 64) -> Iterator[Tensor]:
    """Normalised images at ``index``, batch after batch."""
    return (data.normalise(data.pixels(part)) for part in index.split(batch))
