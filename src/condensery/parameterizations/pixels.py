"""Pixels: a stored image is an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.parameterizations.base import stored_rows
from condensery.types import Examples

__all__ = ["Pixels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """One stored image, one example.

    Attributes:
        init: ``"real"`` (random real images of the class), ``"first"`` (the first ones in data
            set order, as IDC's released code), or ``"noise"`` (``clip(randn / 4 + 1/2, 0, 1)``).
    """

    init: Literal["real", "first", "noise"] = "real"

    def __post_init__(self) -> None:
        if self.init not in ("real", "first", "noise"):
            raise ConfigError(
                f"init = {self.init!r} is unknown for pixels; known are real, first, noise."
            )

    def start(self, data: ImageData, *, counts: Tensor, rng: torch.Generator) -> Examples:
        """See ``Parameterization.start``."""
        rank, class_ = stored_rows(counts)
        if self.init == "noise":
            height, width = data.side
            shape = (len(rank), data.channels, height, width)
            images = (torch.randn(shape, generator=rng) / 4 + 0.5).clamp(0, 1)
        else:
            images = _real(data, rank, class_, counts, rng, shuffled=self.init == "real")
        return Examples(images=images, labels=class_.clone(), class_=class_, rank=rank)

    def decode(self, stored: Examples) -> Examples:
        """See ``Parameterization.decode``."""
        return stored

    def pixel_rank(self, stored: Examples) -> Tensor:
        """See ``Parameterization.pixel_rank``."""
        return stored.rank[:, None, None, None].expand(-1, 1, *stored.images.shape[2:])

    def decode_json(self) -> dict[str, object]:
        """See ``Parameterization.decode_json``."""
        return {"kind": "pixels"}


def _real(
    data: ImageData,
    rank: Tensor,
    class_: Tensor,
    counts: Tensor,
    rng: torch.Generator,
    *,
    shuffled: bool,
) -> Tensor:
    chosen = torch.empty(len(rank), dtype=torch.int64)
    for c in range(len(counts)):
        own = data.of_class(c)
        order = torch.randperm(len(own), generator=rng) if shuffled else torch.arange(len(own))
        mine = class_ == c
        chosen[mine] = own[order[rank[mine]]]
    return data.pixels(chosen)
