"""A strategy such as ``color_crop_cutout``: which operations are combined, and in what ranges.

Random numbers come in as uniforms in a fixed layout, one column a parameter, so that adding
a word to a strategy does not move the draws of the others, and so that the side of the images
need not be known when numbers are drawn.

Knows nothing about generators, nor about who is real and who is synthetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condensery.augment import operations
from condensery.errors import ConfigError, nearest

__all__ = ["UNIFORMS", "WORDS", "Mode", "Parameters", "augment", "parameters", "words"]

Mode = Literal["idc", "dsa"]

WORDS = ("color", "crop", "cutout", "flip", "scale", "rotate", "translate")
"""What a strategy is made of, joined by underscores."""

UNIFORMS = 12
"""Uniform numbers that a draw takes: the chosen word, then one a parameter (see ``_of``)."""

_ALWAYS = ("flip", "color", "cutout")
"""In mode "idc" these are applied whenever they are listed; one of the others is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What each operation is given, ``[draw]`` each; ``None`` means: not applied.

    ``draw`` is 1 (shared by all images) or the number of images.

    Attributes:
        flipped: Whether to mirror left and right.
        color: Brightness (added, -0.5..0.5), saturation (a factor, 0..2) and contrast (a
            factor, 0.5..1.5).
        crop: Rows and columns to move the window by, in pixels.
        scale: Factors of the x and the y coordinate.
        degrees: Rotation.
        cutout: Row and column of the centre of the box.
    """

    flipped: Bool[Tensor, "draw"] | None = None
    color: tuple[Float[Tensor, "draw"], Float[Tensor, "draw"], Float[Tensor, "draw"]] | None = None
    crop: tuple[Int[Tensor, "draw"], Int[Tensor, "draw"]] | None = None
    scale: tuple[Float[Tensor, "draw"], Float[Tensor, "draw"]] | None = None
    degrees: Float[Tensor, "draw"] | None = None
    cutout: tuple[Int[Tensor, "draw"], Int[Tensor, "draw"]] | None = None


def words(strategy: str) -> tuple[str, ...]:
    """The words of a strategy, in its order.

    Raises:
        ConfigError: If a word is unknown or comes twice.
    """
    listed = tuple(strategy.split("_"))
    for word in listed:
        if word not in WORDS:
            raise ConfigError(
                f"augmentation {strategy!r} contains {word!r}, which is not known."
                f"{nearest(word, WORDS)} Words are {', '.join(WORDS)}, joined by underscores."
            )
    if len(set(listed)) < len(listed):
        raise ConfigError(f"augmentation {strategy!r} names an operation twice. Name each once.")
    return listed


def check_mode(mode: str) -> None:
    """Raise a ``ConfigError`` unless the mode is one of ``Mode``."""
    if mode not in get_args(Mode):
        raise ConfigError(
            f"augmentation mode {mode!r} is not known.{nearest(mode, get_args(Mode))} "
            'Modes are "idc" (color, flip and cutout always, one of the others at random) '
            'and "dsa" (one word at random).'
        )


def _below(uniform: Tensor, count: int) -> Tensor:
    """A uniform integer 0..count-1."""
    return (uniform * count).floor().long().clamp(max=count - 1)


def _shift(uniform: Tensor, length: int) -> Tensor:
    """Up to an eighth of the side (rounded half up) to either side."""
    most = math.floor(0.125 * length + 0.5)
    return _below(uniform, 2 * most + 1) - most


def _centre(uniform: Tensor, length: int) -> Tensor:
    """Centre of a cutout box; one place more if its side is even, so both borders are alike."""
    even = math.floor(length * 0.5 + 0.5) % 2 == 0
    return _below(uniform, length + even)


def _of(word: str, uniforms: Tensor, side: tuple[int, int]) -> Parameters:
    """The parameters of one word, from the columns of ``[draw, UNIFORMS]`` that are its own."""
    height, width = side
    _, mirror, light, colour, stretch, down, right, x, y, turn, row, column = uniforms.unbind(1)
    smallest, largest = 1 / 1.2, 1.2
    if word == "flip":
        return Parameters(flipped=mirror < 0.5)
    if word == "color":
        return Parameters(color=(light - 0.5, 2 * colour, stretch + 0.5))
    if word == "crop":
        return Parameters(crop=(_shift(down, height), _shift(right, width)))
    if word == "translate":
        across = _shift(right, width)
        return Parameters(crop=(torch.zeros_like(across), across))
    if word == "scale":
        reach = largest - smallest
        return Parameters(scale=(smallest + reach * x, smallest + reach * y))
    if word == "rotate":
        return Parameters(degrees=(2 * turn - 1) * 15)
    return Parameters(cutout=(_centre(row, height), _centre(column, width)))


def parameters(
    listed: tuple[str, ...],
    uniforms: Float[Tensor, "draw uniform"],
    *,
    mode: Mode,
    side: tuple[int, int],
) -> Parameters:
    """Turn uniform numbers into what the operations of a strategy are given.

    Args:
        listed: Words of the strategy, in its order.
        uniforms: ``[draw, UNIFORMS]`` in [0, 1). Column 0 of row 0 chooses the word: one
            choice for all images, even where everything else is drawn per image.
        mode: ``"idc"``: ``flip``, ``color`` and ``cutout`` always, and one of the others;
            ``"dsa"``: one of all.
        side: Height and width of the images in pixels.

    Source:
        Kim et al. 2022 (IDC) and Zhao, Bilen 2021 (DSA), as their released code draws.
        Differs: a fixed layout of the uniforms instead of a global random state.
    """
    always = tuple(word for word in listed if word in _ALWAYS) if mode == "idc" else ()
    chosen = tuple(word for word in listed if word not in always)
    if chosen:
        chosen = (chosen[int(_below(uniforms[0, 0], len(chosen)))],)
    together = Parameters()
    for word in (*always, *chosen):
        own = _of(word, uniforms, side)
        given = {
            field.name: getattr(own, field.name)
            for field in fields(own)
            if getattr(own, field.name) is not None
        }
        together = replace(together, **given)
    return together


def augment(
    images: Float[Tensor, "example channel height width"], given: Parameters
) -> Float[Tensor, "example channel height width"]:
    """Apply what is given, in this order: flip, color, crop, scale, rotate, cutout."""
    if given.flipped is not None:
        images = operations.flip(images, flipped=given.flipped)
    if given.color is not None:
        offset, saturation, contrast = given.color
        images = operations.color(images, offset=offset, saturation=saturation, contrast=contrast)
    if given.crop is not None:
        images = operations.crop(images, rows=given.crop[0], columns=given.crop[1])
    if given.scale is not None:
        images = operations.scale(images, x=given.scale[0], y=given.scale[1])
    if given.degrees is not None:
        images = operations.rotate(images, degrees=given.degrees)
    if given.cutout is not None:
        images = operations.cutout(images, rows=given.cutout[0], columns=given.cutout[1])
    return images
