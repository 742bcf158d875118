"""Every kind of picture that Pillow opens becomes 8-bit grey or 8-bit colour.

Whether a picture is grey is decided by how it is stored, never by its pixels: a grey photo in
an RGB file is colour. Knows nothing about files or sizes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

__all__ = ["eight_bit", "is_grey", "upright", "upright_size"]

_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA", "F", *_SIXTEEN_BIT)
_TRANSPARENT = ("LA", "PA", "RGBA", "RGBa")
_ORIENTATION = 0x0112
_QUARTER_TURNS = (5, 6, 7, 8)


def is_grey(image: Image.Image) -> bool:
    """Whether a picture is stored in grey; a palette is grey if all its colours are."""
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or (0, 0, 0)).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in _GREY


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width once the orientation that a camera noted is applied."""
    width, height = image.size
    if "exif" in image.info and image.getexif().get(_ORIENTATION) in _QUARTER_TURNS:
        return width, height
    return height, width


def upright(image: Image.Image) -> Image.Image:
    """Turn a picture the way the camera noted."""
    return ImageOps.exif_transpose(image) if "exif" in image.info else image


def eight_bit(image: Image.Image, *, grey: bool) -> Image.Image:
    """Convert to mode ``L`` (grey) or ``RGB``.

    Transparent pixels are composited on black. 16-bit grey is divided by 257, so that white
    stays white, and rounded.

    Args:
        image: Any mode.
        grey: Whether to return ``L``; then the picture must be grey.

    Raises:
        ValueError: If the picture has no agreed scale (32-bit integer or float pixels).
    """
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"32-bit pixels from {values.min()} to {values.max()} have no scale")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("float pixels have no agreed scale; save it with 8 or 16 bits")
    elif image.mode in _TRANSPARENT or "transparency" in image.info:
        colours = image.convert("RGBA")
        black = Image.new("RGBA", colours.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, colours).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")  # then grey below, so that the palette's levels are kept
    target = "L" if grey else "RGB"
    return image if image.mode == target else image.convert(target)
