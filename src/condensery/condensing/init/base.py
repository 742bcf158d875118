"""Initialisation: the stored images before the first update.

An initialisation chooses images of each class, and the parameterization packs them. Knows nothing
about objectives, sizes or updates.
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

Network = Callable[..., nn.Module]
"""Builds a new network from the path of its random stream: ``network("start", 0)``."""


class Init(Protocol):
    """An initialisation of the stored images. A class must implement ``make``."""

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
        """Make ``counts[c]`` images of class ``c`` in [0, 1], sorted by rank, then by class.

        Args:
            parameterization: Packs real images into stored ones.
            data: Real training images.
            counts: Stored images of each class, ``[class_]``.
            rng: Random stream of the choice.
            network: Builds networks for a choice by features; they are never networks of the run.
        """
        ...


def as_stored(images: Sequence[Tensor], counts: Tensor) -> Examples:
    """Stored rows from the images ``[image, channel, height, width]`` of each class."""
    rank, class_ = stored_rows(counts)
    rows = torch.empty(len(rank), *images[0].shape[1:])
    for c, own in enumerate(images):
        rows[class_ == c] = own.cpu()
    return Examples(images=rows, labels=class_.clone(), class_=class_, rank=rank)


def repeated(order: Tensor, count: int) -> Tensor:
    """The first ``count`` entries, repeated from the start if there are fewer."""
    return order[torch.arange(count) % len(order)]


def batches_of(data: ImageData, index: Tensor, *, batch: int = 64) -> Iterator[Tensor]:
    """The normalised images at ``index`` in batches."""
    return (data.normalise(data.pixels(part)) for part in index.split(batch))
