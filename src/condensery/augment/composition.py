"""Strategies such as ``color_crop_cutout``: which operations are combined, and with which ranges.

Random numbers are given as uniform numbers in a fixed layout with one column for each parameter.
Therefore a new word in a strategy does not change the draws of the other words, and the side of the
images need not be known when numbers are drawn.

Knows nothing about generators, and nothing about which images are real.
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
from condensery.placed import sent

Mode = Literal["idc", "dsa"]

WORDS = ("color", "crop", "cutout", "flip", "scale", "rotate", "translate")
"""The words of strategies, which are joined by underscores."""

UNIFORMS = 12
"""Uniform numbers of a draw: one for the chosen word, then one for each parameter (``_of``)."""

_ALWAYS = ("flip", "color", "cutout")
"""In mode "idc" these words are always applied if listed; of the others, one is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of each operation, ``[draw]`` each; ``None``: the operation is not applied.

    ``draw`` is 1 (shared by all images) or the number of images.

    Attributes:
        flipped: Whether to mirror left and right.
        color: Brightness (added, -0.5..0.5), saturation (a factor, 0..2) and contrast (a
            factor, 0.5..1.5).
        crop: Rows and columns by which the window moves, in pixels.
        scale: Factors of the x and the y coordinate.
        degrees: Rotation.
        turn: Cosine and sine of the rotation, where they are computed already.
        cutout: Row and column of the centre of the box.
    """

    flipped: Bool[Tensor, "draw"] | None = None
    color: tuple[Float[Tensor, "draw"], Float[Tensor, "draw"], Float[Tensor, "draw"]] | None = None
    crop: tuple[Int[Tensor, "draw"], Int[Tensor, "draw"]] | None = None
    scale: tuple[Float[Tensor, "draw"], Float[Tensor, "draw"]] | None = None
    degrees: Float[Tensor, "draw"] | None = None
    turn: tuple[Float[Tensor, "draw"], Float[Tensor, "draw"]] | None = None
    cutout: tuple[Int[Tensor, "draw"], Int[Tensor, "draw"]] | None = None


def words(strategy: str) -> tuple[str, ...]:
    """The words of a strategy, in its order.

    Raises:
        ConfigError: If a word is unknown or occurs twice.
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
    """A shift of up to an eighth of the side (rounded half up) in both directions."""
    most = math.floor(0.125 * length + 0.5)
    return _below(uniform, 2 * most + 1) - most


def _centre(uniform: Tensor, length: int) -> Tensor:
    """Centre of a cutout box; one more position if its side is even, so that borders are equal."""
    even = math.floor(length * 0.5 + 0.5) % 2 == 0
    return _below(uniform, length + even)


def _of(word: str, uniforms: Tensor, side: tuple[int, int]) -> Parameters:
    """The parameters of one word, from its columns of ``[draw, UNIFORMS]``."""
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
    """The parameters of the operations of a strategy, from uniform numbers.

    Args:
        listed: Words of the strategy, in its order.
        uniforms: ``[draw, UNIFORMS]`` in [0, 1). Column 0 of row 0 chooses the word for all
            images, also if every image has its own parameters.
        mode: ``"idc"``: ``flip``, ``color`` and ``cutout`` always, and one of the other words;
            ``"dsa"``: one of all words.
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
    """Apply the operations in this order: flip, color, crop, scale, rotate, cutout."""
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
        images = operations.rotate(images, degrees=given.degrees, turn=given.turn)
    if given.cutout is not None:
        images = operations.cutout(images, rows=given.cutout[0], columns=given.cutout[1])
    return images


def placed(given: Parameters, images: Tensor) -> Parameters:
    """The parameters on the device of the images, in one transfer.

    What is shared by all images and decides which operation is called stays on the CPU.
    """
    if images.device.type == "cpu":
        return given
    if given.degrees is not None:
        angle = torch.deg2rad(given.degrees.double())
        given = replace(given, turn=(angle.cos(), angle.sin()))
    moved = {
        field.name: value if isinstance(value, tuple) else (value,)
        for field in fields(given)
        if (value := getattr(given, field.name)) is not None and field.name != "degrees"
    }
    for name in ("flipped", "crop"):
        if name in moved and len(moved[name][0]) == 1:
            del moved[name]
    if not moved:
        return given
    parts = [part for value in moved.values() for part in value]
    dtype = torch.promote_types(images.dtype, torch.float32)  # whole pixels are exact in it
    there = iter(sent(images.device, torch.stack([part.to(dtype) for part in parts])).unbind(0))
    found = {
        name: tuple(
            next(there).to(part.dtype) if not part.is_floating_point() else next(there)
            for part in value
        )
        for name, value in moved.items()
    }
    single = {"flipped"} & found.keys()
    return replace(given, **{n: v[0] if n in single else v for n, v in found.items()})
