"""What the stored images are before the first update."""

from condensery.init.base import Init, Network
from condensery.init.herded import HerdedImages
from condensery.init.kmeans import KMeansImages
from condensery.init.plain import FirstImages, Noise, RandomImages

__all__ = [
    "FirstImages",
    "HerdedImages",
    "Init",
    "KMeansImages",
    "Network",
    "Noise",
    "RandomImages",
]
