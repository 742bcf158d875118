"""Multi-formation: a stored image contains factor x factor small images.

Decoding cuts the crops and enlarges them bilinearly, so N stored images give N * factor^2
examples at the same storage.

Source:
    Kim et al. 2022, *Dataset Condensation via Efficient Synthetic-Data Parameterization*,
    multi-formation. Differs from the released MDC code: by default, examples are ordered image
    by image, so that size k is the first k *stored images*. ``order="crop"`` is the released
    order, in which size k is the first ``k * factor^2`` crops, counted by crop position first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from condensery.errors import ConfigError
from condensery.parameterizations.base import Parameterization
from condensery.registry import register
from condensery.types import Examples


def finer_factor(side: tuple[int, int], *, ipc: int) -> int:
    """How many small images a side of a stored one suit a set that is cut to small sizes.

    Args:
        side: Height and width of the images, in pixels.
        ipc: Images per class N, at least 1.

    Returns:
        3 for at most ten images per class of at least 30 pixels a side, so that a small image has
        at least 10; otherwise 2.

    Source:
        Ours, from CIFAR-10 and Fashion-MNIST alone (docs/log.md); IDC has 2.
    """
    return 3 if ipc <= 10 and min(side) >= 30 else 2


@register("parameterization", "multi-formation")
@dataclass(frozen=True, slots=True, kw_only=True)
class MultiFormation(Parameterization):
    """Factor x factor examples per stored image.

    Attributes:
        factor: Crops per side, at least 1 (1 equals pixels).
        order: ``"image"``: all crops of a stored image have its rank. ``"crop"``: the rank counts
            crops by crop position first, as in the released MDC code.
    """

    factor: int = 2
    order: Literal["image", "crop"] = "image"

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise ConfigError(
                f"factor = {self.factor}: a stored image holds at least 1 crop a side."
            )
        if self.order not in ("image", "crop"):
            raise ConfigError(
                f"order = {self.order!r} is unknown for multi-formation; known are image, crop."
            )

    @property
    def examples_each(self) -> int:
        """See ``Parameterization.examples_each``."""
        return self.factor**2

    def pack(self, images: Tensor) -> Tensor:
        """See ``Parameterization.pack`` and ``encode_mix``.

        Raises:
            ConfigError: If a crop would be empty.
        """
        height, width = images.shape[2:]
        if self.factor > min(height, width):
            raise ConfigError(
                f"factor = {self.factor} does not fit images of {height} x {width} pixels: a crop "
                f"would be empty. Use a factor of at most {min(height, width)}."
            )
        return encode_mix(images, factor=self.factor)

    def decode(self, stored: Examples) -> Examples:
        """See ``Parameterization.decode``; rows in the order of ``order``."""
        crops = decode_crops(stored.images, factor=self.factor)  # [row, crop, C, H, W]
        count = crops.shape[1]
        rank = self._crop_rank(stored)
        if self.order == "crop":
            crops, rank = crops.transpose(0, 1), rank.T
            labels, class_ = (
                x.repeat(count, *[1] * (x.ndim - 1)) for x in (stored.labels, stored.class_)
            )
        else:
            labels, class_ = (
                x.repeat_interleave(count, dim=0) for x in (stored.labels, stored.class_)
            )
        return replace(
            stored,
            images=crops.flatten(0, 1),
            labels=labels,
            class_=class_,
            rank=rank.flatten(),
        )

    def pixel_rank(self, stored: Examples) -> Tensor:
        """See ``Parameterization.pixel_rank``."""
        height, width = stored.images.shape[2:]
        rows = torch.arange(height) // -(-height // self.factor)
        columns = torch.arange(width) // -(-width // self.factor)
        crop = rows[:, None] * self.factor + columns[None, :]
        return self._crop_rank(stored)[:, crop][:, None]

    @property
    def prefixes(self) -> bool:
        """See ``Parameterization.prefixes``: crop by crop, a size reads parts of all images."""
        return self.order == "image"

    @property
    def by_row(self) -> bool:
        """See ``Parameterization.by_row``: crop by crop, a row has several ranks."""
        return self.order == "image"

    def _crop_rank(self, stored: Examples) -> Tensor:
        """Rank of every crop, ``[row, crop]``."""
        crops = self.factor**2
        if self.order == "image":
            return stored.rank[:, None].expand(-1, crops)
        own_images = torch.bincount(stored.class_)[stored.class_]  # images of the row's class
        crop = torch.arange(crops)
        position = crop[None, :] * own_images[:, None] + stored.rank[:, None]
        return position // crops


def encode_mix(images: Tensor, *, factor: int) -> Tensor:
    """Pack ``N * factor^2`` images into N stored ones: block k fills crop position k.

    Args:
        images: ``[N * factor^2, channel, height, width]``; image ``k * N + i`` goes to crop ``k``
            (row-major) of stored image ``i``, shrunk by nearest neighbour.
        factor: Crops per side.

    Returns:
        ``[N, channel, height, width]``. If the side is not a multiple of the factor, the first
        rows and columns of crops are one pixel larger.

    Source:
        IDC, released ``init "mix"``.
    """
    height, width = images.shape[2:]
    blocks = images.unflatten(0, (factor**2, -1))
    stored = torch.empty_like(blocks[0])
    tops, lefts = _cuts(height, factor), _cuts(width, factor)
    for k, block in enumerate(blocks):
        row, column = divmod(k, factor)
        top, bottom, left, right = tops[row], tops[row + 1], lefts[column], lefts[column + 1]
        stored[:, :, top:bottom, left:right] = F.interpolate(
            block, size=(bottom - top, right - left), mode="nearest"
        )
    return stored


def decode_crops(images: Tensor, *, factor: int) -> Tensor:
    """Cut every image into ``factor^2`` crops and enlarge each to the full side.

    Args:
        images: ``[image, channel, height, width]`` in [0, 1].
        factor: Crops per side. Other sides than its multiples are padded with 0.5 at the end.

    Returns:
        ``[image, factor^2, channel, height, width]``, crops row-major, bilinear without aligned
        corners; differentiable.

    Source:
        IDC, released ``decode "single"``. The released padding is ``factor - side mod factor``.
    """
    if factor == 1:
        return images[:, None]
    count, channels, height, width = images.shape
    rows, columns = -(-height // factor), -(-width // factor)
    padded = F.pad(images, (0, columns * factor - width, 0, rows * factor - height), value=0.5)
    crops = padded.unflatten(3, (factor, columns)).unflatten(2, (factor, rows))
    crops = crops.permute(0, 2, 4, 1, 3, 5).reshape(count * factor**2, channels, rows, columns)
    large = F.interpolate(crops, size=(height, width), mode="bilinear")
    return large.unflatten(0, (count, factor**2))


def _cuts(side: int, factor: int) -> list[int]:
    small, larger = divmod(side, factor)
    return [i * small + min(i, larger) for i in range(factor + 1)]
