"""Augmentations: none, one draw shared by all images, or one draw for each image.

A draw is a deterministic function from images to images. Random numbers are drawn on the CPU, also
for images on another device.

Knows nothing about which images are real: two batches share a draw if the caller uses the same one
for both.
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
    Parameters,
    augment,
    check_mode,
    parameters,
    placed,
    words,
)
from condensery.registry import register


def _unchanged(images: Tensor) -> Tensor:
    return images


@register("augment", "none")
@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Augment):
    """No augmentation."""

    shared: ClassVar[bool] = True

    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """A function that returns its images."""
        del rng
        return _unchanged


@register("augment", "siamese")
@dataclass(frozen=True, slots=True, kw_only=True)
class Siamese(Augment):
    """One draw for all images of all batches, so that real and synthetic images are alike.

    Attributes:
        strategy: Words joined by underscores, of color, crop, cutout, flip, scale, rotate,
            translate.
        mode: ``"idc"``: color, flip and cutout always if listed, and one of the other words;
            ``"dsa"``: one of all words.

    Source:
        Zhao, Bilen 2021, *Dataset Condensation with Differentiable Siamese Augmentation*,
        the transformation shared by both gradients; mode "idc" as in Kim et al. 2022.
        Differs: there is no global random state, and the draw does not depend on the number of
        images.
    """

    shared: ClassVar[bool] = True

    strategy: str = "color_crop_cutout"
    mode: Mode = "idc"

    def __post_init__(self) -> None:
        words(self.strategy)
        check_mode(self.mode)

    def draw(self, *, rng: torch.Generator) -> Augmentation:
        """Draw one set of parameters; sizes in pixels depend on the images."""
        uniforms = torch.rand(1, UNIFORMS, dtype=torch.float64, generator=rng)
        listed, mode = words(self.strategy), self.mode
        known: dict[object, Parameters] = {}  # real and synthetic images have the same

        def shown(images: Tensor) -> Tensor:
            side = (images.shape[2], images.shape[3])
            kind = side, images.device, images.dtype
            if kind not in known:
                known[kind] = placed(parameters(listed, uniforms, mode=mode, side=side), images)
            return augment(images, known[kind])

        return shown


@register("augment", "per-example")
@dataclass(frozen=True, slots=True, kw_only=True)
class PerExample(Augment):
    """One draw for each image; only the chosen word is the same for the whole batch.

    Attributes:
        strategy: As in ``Siamese``.
        mode: As in ``Siamese``.

    Source:
        As ``Siamese``; IDC trains its networks so, and DSA its evaluation. Differs: there is no
        global random state.
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
            given = parameters(listed, uniforms, mode=mode, side=side)
            return augment(images, placed(given, images))

        return shown
