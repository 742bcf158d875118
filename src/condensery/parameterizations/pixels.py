"""Pixels: a stored image is an example."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from condensery.parameterizations.base import Parameterization
from condensery.registry import register
from condensery.types import Examples


@register("parameterization", "pixels")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels(Parameterization):
    """One stored image, one example."""

    @property
    def examples_each(self) -> int:
        """See ``Parameterization.examples_each``."""
        return 1

    @property
    def by_row(self) -> bool:
        """See ``Parameterization.by_row``."""
        return True

    def pack(self, images: Tensor) -> Tensor:
        """See ``Parameterization.pack``."""
        return images

    def decode(self, stored: Examples) -> Examples:
        """See ``Parameterization.decode``."""
        return stored

    def pixel_rank(self, stored: Examples) -> Tensor:
        """See ``Parameterization.pixel_rank``."""
        return stored.rank[:, None, None, None].expand(-1, 1, *stored.images.shape[2:])
