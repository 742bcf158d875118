"""Labelled images from files, folders, arrays and torch data sets."""

from __future__ import annotations

from condensery.data.image_data import Data, ImageData, Whitening
from condensery.data.load import load_data
from condensery.data.locate import find
from condensery.data.resident import resident
from condensery.data.whitening import WHITENINGS, whitened

__all__ = [
    "WHITENINGS", "Data", "ImageData", "Whitening", "find", "load_data", "resident", "whitened",
]  # fmt: skip
