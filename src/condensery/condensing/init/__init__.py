"""Initialisation: the stored images before the first update."""

from condensery.condensing.init.base import Init, Network
from condensery.condensing.init.herded import HerdedImages
from condensery.condensing.init.kmeans import KMeansImages
from condensery.condensing.init.plain import FirstImages, Noise, RandomImages

__all__ = [
    "FirstImages",
    "HerdedImages",
    "Init",
    "KMeansImages",
    "Network",
    "Noise",
    "RandomImages",
]
