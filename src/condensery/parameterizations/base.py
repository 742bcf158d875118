"""What is stored, and how it becomes the examples that a network sees.

A set is stored as ``Examples`` with rows sorted by rank, then by class: a set of size ``k`` is a
prefix. ``images`` contains one tensor for each row, which are pixels in [0, 1] or other values that
``decode`` turns into images; ``shared`` contains tensors that belong to all rows. Knows nothing
about objectives, sizes or networks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from condensery.parts import part_to_json
from condensery.types import Examples


class Parameterization(Protocol):
    """The relation between stored images and examples."""

    @property
    @abstractmethod
    def examples_each(self) -> int:
        """Number of examples of a stored image; equally many real images are packed into one."""
        ...

    @abstractmethod
    def pack(self, images: Tensor) -> Tensor:
        """Stored images that are made from real images of one class.

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
        """The stored tensors, moved into their allowed range before every outer iteration."""
        return stored.with_images(stored.images.clamp(0, 1))

    @abstractmethod
    def pixel_rank(self, stored: Examples) -> Tensor:
        """The smallest rank whose examples read each stored pixel, ``[row, 1, height, width]``.

        A set of size ``k`` is frozen if every stored pixel with ``pixel_rank < k`` is unchanged.
        """
        ...

    @property
    def prefixes(self) -> bool:
        """Whether the examples of a size depend only on stored rows of lower ranks."""
        return True

    @property
    def by_row(self) -> bool:
        """Whether a stored row alone decides ``examples_each`` consecutive examples of its rank.

        Then a batch of a large set can be decoded without the rest of the set.
        """
        return False

    def begin(self, stored: Examples, *, rng: torch.Generator) -> Examples:
        """The stored tensors before the first update, from packed images.

        A parameterization that stores tensors for all rows together adds them as ``shared``.

        Args:
            stored: The packed images of an initialisation.
            rng: Random stream for draws.
        """
        del rng
        return stored

    def to_file(self, stored: Examples, *, dtype: torch.dtype) -> dict[str, Tensor]:
        """The tensors of a condensed file, by name; by default ``images`` and shared tensors.

        Args:
            stored: Projected, on the CPU, with rows in the order of the file.
            dtype: The dtype of pixels in the file: uint8 (times 255), float16 or float32.
        """
        images = stored.images
        images = (images * 255).round().to(dtype) if dtype == torch.uint8 else images.to(dtype)
        return {"images": images.contiguous(), **stored.shared}

    def from_file(
        self, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """``images`` and ``shared`` from the tensors that ``to_file`` returned.

        Args:
            tensors: The tensors of the file that contain the stored set.
            shape: Shape of a training image, ``(channel, height, width)``.
        """
        images = self.pictures(tensors, shape=shape)
        shared = {name: tensor for name, tensor in tensors.items() if name != "images"}
        return images.float() / 255 if images.dtype == torch.uint8 else images.float(), shared

    def pictures(self, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...]) -> Tensor:
        """A picture of every row for people, ``[row, channel, height, width]``.

        uint8, or floating point in [0, 1]. Arguments as in ``from_file``.
        """
        del shape
        return tensors["images"]

    def decode_json(self) -> dict[str, object]:
        """The ``decode`` entry of a condensed file: this part as JSON (docs/artifact.md)."""
        return part_to_json("parameterization", self)


def stored_rows(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Rank and class of every stored row, if class ``c`` has ``counts[c]`` images.

    Returns:
        ``rank [row]`` and ``class_ [row]``, sorted by rank, then class.
    """
    rank = torch.arange(int(counts.max()))
    inside = rank[:, None] < counts[None, :]  # [rank, class_]
    where = inside.nonzero()
    return where[:, 0], where[:, 1]
