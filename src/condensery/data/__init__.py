"""Labelled images from files, folders, arrays and torch data sets."""

from __future__ import annotations

from condensery.data.image_data import Data, ImageData
from condensery.data.load import load_data

__all__ = ["Data", "ImageData", "load_data"]
