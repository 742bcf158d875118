"""Quantised pixels: pixels with a few levels, several of them in a byte.

With 4 bits a file has half as many bytes as with 8 bits, with 2 bits a quarter. The images that are
matched are those that are stored: they are rounded to the levels before they are decoded, and the
gradient ignores the rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from condensery.errors import ConfigError
from condensery.parameterizations.base import Parameterization
from condensery.parameterizations.pixels import Pixels
from condensery.registry import register
from condensery.types import Examples


@register("parameterization", "quantised")
@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised(Parameterization):
    """Another parameterization of pixels, stored with fewer bits for each value (ours).

    Attributes:
        bits: Bits of a stored value: 1, 2 or 4. There are ``2 ** bits`` equidistant levels from 0
            to 1, which are all multiples of 1/255, so that 8 bits give exactly the same images.
        inner: The parameterization that decodes the quantised images.

    Source:
        Ours. The gradient of the rounding is the straight-through estimator of Bengio, Leonard,
        Courville 2013, *Estimating or Propagating Gradients Through Stochastic Neurons*.
    """

    bits: Literal[1, 2, 4] = 4
    inner: Parameterization = field(default_factory=Pixels)

    def __post_init__(self) -> None:
        if self.bits not in (1, 2, 4):
            raise ConfigError(
                f"parameterization.bits = {self.bits!r}: a byte holds whole values of 1, 2 or 4 "
                "bits. Use one of these, or store 8 bits by another parameterization."
            )

    @property
    def examples_each(self) -> int:
        """See ``Parameterization.examples_each``."""
        return self.inner.examples_each

    @property
    def prefixes(self) -> bool:
        """See ``Parameterization.prefixes``."""
        return self.inner.prefixes

    @property
    def by_row(self) -> bool:
        """See ``Parameterization.by_row``."""
        return self.inner.by_row

    def pack(self, images: Tensor) -> Tensor:
        """See ``Parameterization.pack``."""
        return self.inner.pack(images)

    def decode(self, stored: Examples) -> Examples:
        """See ``Parameterization.decode``; the gradient of the rounding is 1."""
        levels = 2**self.bits - 1
        images = stored.images
        rounded = (images.detach().clamp(0, 1) * levels).round() / levels
        return self.inner.decode(stored.with_images(images + (rounded - images).detach()))

    def pixel_rank(self, stored: Examples) -> Tensor:
        """See ``Parameterization.pixel_rank``."""
        return self.inner.pixel_rank(stored)

    def to_file(self, stored: Examples, *, dtype: torch.dtype) -> dict[str, Tensor]:
        """See ``Parameterization.to_file``: ``packed``, rows of an image padded to whole bytes."""
        del dtype  # the levels are what they are
        each, levels = 8 // self.bits, 2**self.bits - 1
        values = (stored.images * levels).round().to(torch.uint8)
        values = functional.pad(values, (0, -values.shape[3] % each)).unflatten(3, (-1, each))
        packed = torch.zeros_like(values[..., 0])
        for place in range(each):  # the first value is in the highest bits
            packed |= values[..., place] << (8 - self.bits * (place + 1))
        return {"packed": packed.contiguous(), **stored.shared}

    def from_file(
        self, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """See ``Parameterization.from_file``."""
        images = self.pictures(tensors, shape=shape)
        shared = {name: tensor for name, tensor in tensors.items() if name != "packed"}
        return images.float() / 255, shared

    def pictures(self, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...]) -> Tensor:
        """See ``Parameterization.pictures``: the levels as bytes."""
        each, levels = 8 // self.bits, 2**self.bits - 1
        packed = tensors["packed"]
        values = [(packed >> (8 - self.bits * (place + 1))) & levels for place in range(each)]
        return torch.stack(values, dim=-1).flatten(3)[..., : shape[2]] * (255 // levels)
