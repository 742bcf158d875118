"""Formats of image files that are read: one list, for the search in folders and for the decoder."""

from __future__ import annotations

from functools import cache

from PIL import Image

__all__ = ["FORMATS", "available"]

# Without EPS (needs Ghostscript), WMF (needs Windows), and formats that Pillow only identifies.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "MPO", "DIB", "TGA"),
    *("ICO", "CUR", "ICNS", "PCX", "DCX", "PSD", "SGI", "QOI", "DDS", "SUN", "XBM", "XPM", "MSP"),
    *("FITS", "FLI", "FTEX", "BLP", "GBR"),
)
"""Formats of Pillow that are read, the usual ones first."""


@cache
def available(formats: tuple[str, ...] = FORMATS) -> tuple[str, ...]:
    """Those of some formats that this version of Pillow has."""
    Image.init()
    return tuple(name for name in formats if name in Image.OPEN)
