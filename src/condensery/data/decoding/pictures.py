"""Every picture that Pillow opens becomes 8-bit grey or 8-bit colour, with the wanted side.

The mode of a picture decides whether it is grey, never its pixels: a grey photo in an RGB file is
colour. Knows nothing about files.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from condensery.data.decoding.values import Conversion, NoScale

# Without EPS (needs Ghostscript), WMF (needs Windows), and formats that Pillow only identifies.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "MPO", "DIB", "TGA"),
    *("ICO", "CUR", "ICNS", "PCX", "DCX", "PSD", "SGI", "QOI", "DDS", "SUN", "XBM", "XPM", "MSP"),
    *("FITS", "FLI", "FTEX", "BLP", "GBR"),
)
"""Formats of Pillow that are read, usual ones first."""

_WIDE = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA", *_WIDE)
_TRANSPARENT = ("LA", "PA", "RGBA", "RGBa")
_ORIENTATION = 0x0112
_QUARTER_TURNS = (5, 6, 7, 8)


@cache
def available(formats: tuple[str, ...] = FORMATS) -> tuple[str, ...]:
    """The formats that this version of Pillow supports."""
    Image.init()
    return tuple(name for name in formats if name in Image.OPEN)


def is_grey(image: Image.Image) -> bool:
    """Whether a picture is stored in grey; a palette is grey if all its colours are."""
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or (0, 0, 0)).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in _GREY


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width after the orientation of the camera is applied.

    A PNG may store it after the pixels, which are then decoded, unless height and width are equal.
    """
    width, height = image.size
    if width == height or image.format == "TIFF":  # Pillow gives the upright size of a TIFF
        return height, width
    return (width, height) if _orientation(image) in _QUARTER_TURNS else (height, width)


def _orientation(image: Image.Image) -> int:
    """The orientation in EXIF, or else in XMP; 1 (upright) if it cannot be read."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except (OSError, MemoryError):
        raise
    except Exception:  # Pillow's readers raise whatever damaged metadata makes them stumble on
        return 1


def eight_bit(image: Image.Image, *, grey: bool, values: Conversion) -> Image.Image:
    """Apply the orientation of the camera, and convert to mode ``L`` (grey) or ``RGB``.

    Transparent pixels are composited on black. 16-bit grey is divided by 257, so that white
    stays white, and rounded. A value range of ``values`` replaces this scale.

    Args:
        image: Any mode.
        grey: Whether to return ``L``; then the picture must be grey.
        values: The conversion of the source that the picture belongs to.
    """
    deep = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    image.load()  # of a TIFF that turns it, of a PNG that reads what stands after the pixels
    image = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
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
    if image.mode == "F" and not np.isfinite((low, high)).all():
        raise ValueError("some float pixels are NaN or infinite")
    if values.value_range is None and image.mode == "F":
        raise NoScale("float pixels", low, high, whole=bool((pixels == np.rint(pixels)).all()))
    if values.value_range is None and (low < 0 or high > 65535):
        raise NoScale("32-bit pixels", low, high, whole=True)
    return values.convert(pixels, "float" if image.mode == "F" else "16-bit")


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize so that the shorter side is ``size`` (bilinear, antialiased), then crop the centre.

    Args:
        image: Mode ``L`` or ``RGB``.
        size: Height and width of the result, in pixels. A square of this side is not changed.
    """
    width, height = image.size
    shorter = min(width, height)
    if shorter != size:
        width, height = round(width * size / shorter), round(height * size / shorter)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if width == height:
        return image
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


def fit_all(
    images: UInt8[Tensor, "image channel height width"], size: int
) -> UInt8[Tensor, "image channel {size} {size}"]:
    """Apply ``fit`` to images of one side; the same pixels as reading them from image files."""
    if images.shape[2:] == (size, size):
        return images
    fitted = torch.empty((*images.shape[:2], size, size), dtype=torch.uint8)
    for position, image in enumerate(images):
        array = image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
        square = np.array(fit(Image.fromarray(np.ascontiguousarray(array)), size))
        fitted[position] = torch.from_numpy(square.reshape(size, size, -1)).permute(2, 0, 1)
    return fitted
