"""What is stored, and how it becomes the examples a network is trained on.

What is stored are ``Examples``, rows sorted by rank, then class: a set of size ``k`` is a prefix.
Their ``images`` hold one tensor a row, pixels in [0, 1] or anything else that ``decode`` makes
images of; ``shared`` holds what belongs to all rows. Knows nothing about objectives, sizes or
networks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from condensery.parts import part_to_json
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

    @property
    def prefixes(self) -> bool:
        """Whether the examples of a size read stored rows of lower ranks alone."""
        return True

    def begin(self, stored: Examples, *, rng: torch.Generator) -> Examples:
        """What is stored before the first update, from packed images.

        A parameterization that stores something for all rows together adds it as ``shared``.

        Args:
            stored: As an initialisation packed it.
            rng: For what is drawn.
        """
        del rng
        return stored

    def to_file(self, stored: Examples, *, dtype: torch.dtype) -> dict[str, Tensor]:
        """The tensors of a condensed file, by name; ``images`` and what is shared by default.

        Args:
            stored: Projected, on the CPU, rows in file order.
            dtype: What pixels are stored as: uint8 (times 255), float16 or float32.
        """
        images = stored.images
        images = (images * 255).round().to(dtype) if dtype == torch.uint8 else images.to(dtype)
        return {"images": images.contiguous(), **stored.shared}

    def from_file(
        self, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """``images`` and ``shared`` of what ``to_file`` gave.

        Args:
            tensors: Those of the file that hold what is stored.
            shape: Of a training image, ``(channel, height, width)``.
        """
        images = self.pictures(tensors, shape=shape)
        shared = {name: tensor for name, tensor in tensors.items() if name != "images"}
        return images.float() / 255 if images.dtype == torch.uint8 else images.float(), shared

    def pictures(self, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...]) -> Tensor:
        """What people are shown of every row, ``[row, channel, height, width]``.

        uint8, or floating point in [0, 1]. Arguments as in ``from_file``.
        """
        del shape
        return tensors["images"]

    def decode_json(self) -> dict[str, object]:
        """What the condensed file says about decoding: the part (docs/artifact.md)."""
        return part_to_json("parameterization", self)


def stored_rows(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Rank and class of every stored row of classes that hold ``counts[c]`` images.

    Returns:
        ``rank [row]`` and ``class_ [row]``, sorted by rank, then class.
    """
    rank = torch.arange(int(counts.max()))
    inside = rank[:, None] < counts[None, :]  # [rank, class_]
    where = inside.nonzero()
    return where[:, 0], where[:, 1]
