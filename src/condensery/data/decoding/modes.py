"""Every kind of picture that Pillow opens becomes 8-bit grey or 8-bit colour.

Whether a picture is grey is decided by how it is stored, never by its pixels: a grey photo in
an RGB file is colour. Knows nothing about files or sizes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from condensery.data.decoding.values import Conversion, NoScale

__all__ = ["eight_bit", "is_grey", "upright", "upright_size"]

_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_WIDE = ("F", *_SIXTEEN_BIT)
_GREY = ("1", "L", "LA", *_WIDE)
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
    """Height and width once the orientation that a camera noted is applied.

    A PNG may note it after the pixels, which are then decoded, unless height and width are equal.
    """
    width, height = image.size
    if width == height or image.format == "TIFF":  # Pillow gives the upright size of a TIFF
        return height, width
    return (width, height) if _orientation(image) in _QUARTER_TURNS else (height, width)


def upright(image: Image.Image) -> Image.Image:
    """Turn a picture the way the camera noted, in EXIF or in XMP, by the rule of Pillow."""
    image.load()  # of a TIFF that turns it, of a PNG that reads what stands after the pixels
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _orientation(image: Image.Image) -> int:
    """What EXIF, or else XMP, says; 1, which is upright, where it cannot be read."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except (OSError, MemoryError):
        raise
    except Exception:  # Pillow's readers raise whatever damaged metadata makes them stumble on
        return 1


def eight_bit(image: Image.Image, *, grey: bool, values: Conversion | None = None) -> Image.Image:
    """Turn upright and convert to mode ``L`` (grey) or ``RGB``.

    Transparent pixels are composited on black. 16-bit grey is divided by 257, so that white
    stays white, and rounded. A value range of ``values`` replaces this scale.

    Args:
        image: Any mode.
        grey: Whether to return ``L``; then the picture must be grey.
        values: The conversion of the source that the picture belongs to; ``None`` is a new one.

    Raises:
        NoScale: If the picture has no agreed scale (32-bit integer or float pixels) and there is
            no value range.
        ValueError: If float pixels are NaN or infinite.
    """
    values = values or Conversion()
    deep = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    image = upright(image)
    if image.mode in _WIDE:
        image = Image.fromarray(_from_wide(image, values))
        return image if grey else image.convert("RGB")
    kind = "16-bit colour" if deep else "8-bit"
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        kind = kind if deep else "8-bit on black"
        colours = image.convert("RGBA")
        black = Image.new("RGBA", colours.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, colours).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")  # then grey below, so that the palette's levels are kept
    target = "L" if grey else "RGB"
    image = image if image.mode == target else image.convert(target)
    pixels = np.asarray(image)
    levels = values.convert(pixels, kind)
    return image if levels is pixels else Image.fromarray(levels)


def _from_wide(image: Image.Image, values: Conversion) -> np.ndarray:
    """Pixels of more than 8 bits as bytes."""
    pixels = np.asarray(image)
    low, high = float(pixels.min()), float(pixels.max())
    if image.mode == "F":
        if not np.isfinite((low, high)).all():
            raise ValueError("some float pixels are NaN or infinite")
        if values.value_range is None:
            whole = bool((pixels == np.rint(pixels)).all())
            raise NoScale("float pixels", low, high, whole=whole)
        return values.convert(pixels, "float")
    if values.value_range is None and (low < 0 or high > 65535):
        raise NoScale("32-bit pixels", low, high, whole=True)
    return values.convert(pixels, "16-bit")
