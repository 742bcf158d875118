"""Who shares a draw: nobody augments, all images share one, or every image has its own.

A draw is a function from images to images that gives the same bits whenever it is called.
Numbers are drawn on the CPU, whatever device the images are on.

Knows nothing about who is real and who is synthetic: two batches share a draw if the caller
shows them the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensery.augment.base import Augment, Augmentation
from condensery.augment.composition import (
    UNIFORMS,
    Mode,
    augment,
    check_mode,
    parameters,
    words,
)
from condensery.registry import register

__all__ = ["Identity", "PerExample", "Siamese"]


def _unchanged(images: Tensor) -> Tensor:
    return images


@register("augment", "none")
@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Augment):
    """No augmentation; draws nothing."""

    shared: ClassVar[bool] = True

    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Return images as they are."""
        del rng
        return _unchanged


@register("augment", "siamese")
@dataclass(frozen=True, slots=True, kw_only=True)
class Siamese(Augment):
    """One draw for every image of every batch it is shown (real and synthetic alike).

    Attributes:
        strategy: Words joined by underscores, of color, crop, cutout, flip, scale, rotate,
            translate.
        mode: ``"idc"``: color, flip and cutout always when listed, and one of the others;
            ``"dsa"``: one of all.

    Source:
        Zhao, Bilen 2021, *Dataset Condensation with Differentiable Siamese Augmentation*,
        the transformation shared by both gradients; mode "idc" as in Kim et al. 2022.
        Differs: nothing is read from a global random state, and the draw does not depend on
        the number of images.
    """

    shared: ClassVar[bool] = True

    strategy: str = "color_crop_cutout"
    mode: Mode = "idc"

    def __post_init__(self) -> None:
        words(self.strategy)
        check_mode(self.mode)

    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Fix one set of parameters; sizes in pixels follow the images it is shown."""
        uniforms = torch.rand(1, UNIFORMS, dtype=torch.float64, generator=rng)
        listed, mode = words(self.strategy), self.mode

        def shown(images: Tensor) -> Tensor:
            side = (images.shape[2], images.shape[3])
            return augment(images, parameters(listed, uniforms, mode=mode, side=side))

        return shown


@register("augment", "per-example")
@dataclass(frozen=True, slots=True, kw_only=True)
class PerExample(Augment):
    """Own parameters for every image; which of the words is chosen is shared by the batch.

    Attributes:
        strategy: As in ``Siamese``.
        mode: As in ``Siamese``.

    Source:
        As ``Siamese``; the networks of IDC, and evaluation in DSA, are trained so. Differs:
        nothing is read from a global random state.
    """

    strategy: str = "color_crop_cutout"
    mode: Mode = "idc"

    def __post_init__(self) -> None:
        words(self.strategy)
        check_mode(self.mode)

    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Fix a seed, from which the parameters of a batch are drawn when it is shown."""
        seed = int(torch.randint(2**62, (), generator=rng))
        listed, mode = words(self.strategy), self.mode

        def shown(images: Tensor) -> Tensor:
            own = torch.Generator().manual_seed(seed)
            uniforms = torch.rand(len(images), UNIFORMS, dtype=torch.float64, generator=own)
            side = (images.shape[2], images.shape[3])
            return augment(images, parameters(listed, uniforms, mode=mode, side=side))

        return shown
