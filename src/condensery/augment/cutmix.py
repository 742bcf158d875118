"""CutMix: a box of every image is replaced by the same box of a partner in the batch.

Knows nothing about losses: it returns the share of each image that was not replaced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.placed import sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """A batch after CutMix.

    The loss is ``ratio * loss(labels) + (1 - ratio) * loss(partner_labels)``.

    Attributes:
        images: ``[example, channel, height, width]``.
        labels: The labels of the images.
        partner_labels: The labels of the partners, of the same shape.
        ratio: Share of every image that was not replaced, from the true area of the box.
    """

    images: Float[Tensor, "example channel height width"]
    labels: Tensor
    partner_labels: Tensor
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Pixels ``top <= row < bottom`` and ``left <= column < right``."""

    top: int
    left: int
    bottom: int
    right: int


def box_around(side: tuple[int, int], *, outside: float, centre: tuple[int, int]) -> Box:
    """A box that leaves about ``outside`` of the area, cut off at the border.

    Args:
        side: Height and width of the image in pixels.
        outside: Fraction of the area outside the box before it is cut off, in [0, 1].
        centre: Row and column.
    """
    share = math.sqrt(1 - outside)
    ends: list[tuple[int, int]] = []
    for length, middle in zip(side, centre, strict=True):
        half = int(length * share) // 2
        ends.append((max(middle - half, 0), min(middle + half, length)))
    (top, bottom), (left, right) = ends
    return Box(top=top, left=left, bottom=bottom, right=right)


def paste(
    images: Float[Tensor, "example channel height width"],
    labels: Tensor,
    *,
    partner: Int[Tensor, "example"],
    box: Box,
) -> Mixed:
    """Replace the box of every image by that of its partner.

    Args:
        images: ``[example, channel, height, width]``; not changed.
        labels: ``[example]``, or ``[example, class_]`` for soft labels; on the device of the
            images.
        partner: Position in the batch of each image's partner.
        box: The same for all images.
    """
    partner = sent(images.device, partner)
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    mixed = images.clone()
    mixed[:, :, rows, columns] = images[:, :, rows, columns][partner]
    area = (box.bottom - box.top) * (box.right - box.left)
    return Mixed(
        images=mixed,
        labels=labels,
        partner_labels=labels[partner],
        ratio=1 - area / (images.shape[2] * images.shape[3]),
    )


def cutmix(
    images: Float[Tensor, "example channel height width"],
    labels: Tensor,
    *,
    probability: float,
    rng: torch.Generator,
) -> Mixed:
    """Mix a batch with itself, with a given probability.

    Args:
        images: ``[example, channel, height, width]``; not changed.
        labels: ``[example]``, or ``[example, class_]`` for soft labels.
        probability: Probability that the batch is mixed, in [0, 1].
        rng: CPU generator; equally many numbers are drawn whether the batch is mixed or not.

    Returns:
        The batch. If it was not mixed, each image is its own partner and the ratio is 1.

    Source:
        Yun et al. 2019, *CutMix*, eqs. (1), (2), with alpha 1; per batch with a probability,
        and rounding of the box, as in the training of Kim et al. 2022. Differs: nothing.
    """
    height, width = images.shape[2:]
    coin, outside, row, column = torch.rand(4, dtype=torch.float64, generator=rng).tolist()
    partner = torch.randperm(len(images), generator=rng)
    if coin >= probability:
        return Mixed(images=images, labels=labels, partner_labels=labels, ratio=1.0)
    centre = (int(row * height), int(column * width))
    box = box_around((height, width), outside=outside, centre=centre)
    return paste(images, labels, partner=partner, box=box)
