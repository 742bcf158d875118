"""What is stored, and how it becomes the examples a network is trained on.

Stored images are ``Examples`` with images in [0, 1], rows sorted by rank, then class: a set of
size ``k`` is a prefix. Knows nothing about objectives, sizes or networks.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch
from torch import Tensor

from condensery.types import Examples

__all__ = ["Parameterization", "stored_rows"]


class Parameterization(Protocol):
    """Stored images <-> examples."""

    @property
    @abstractmethod
    def examples_each(self) -> int:
        """Examples that a stored image decodes to; as many real images are packed into one."""
        ...

    @abstractmethod
    def pack(self, images: Tensor) -> Tensor:
        """Stored images made of real ones of one class.

        Args:
            images: ``[count * examples_each, channel, height, width]`` in [0, 1].

        Returns:
            ``[count, channel, height, width]``.
        """
        ...

    @abstractmethod
    def decode(self, stored: Examples) -> Examples:
        """The examples that a network sees, differentiable in ``stored.images``."""
        ...

    def project(self, stored: Examples) -> Examples:
        """What is stored, brought back to where it may be, before every outer iteration."""
        return stored.with_images(stored.images.clamp(0, 1))

    @abstractmethod
    def pixel_rank(self, stored: Examples) -> Tensor:
        """The smallest rank whose examples read each stored pixel, ``[row, 1, height, width]``.

        A size-``k`` set is frozen by keeping every stored pixel with ``pixel_rank < k``.
        """
        ...

    @abstractmethod
    def decode_json(self) -> dict[str, object]:
        """What the condensed file says about decoding (docs/artifact.md)."""
        ...


def stored_rows(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Rank and class of every stored row of classes that hold ``counts[c]`` images.

    Returns:
        ``rank [row]`` and ``class_ [row]``, sorted by rank, then class.
    """
    rank = torch.arange(int(counts.max()))
    inside = rank[:, None] < counts[None, :]  # [rank, class_]
    where = inside.nonzero()
    return where[:, 0], where[:, 1]
