"""What the stored images are before the first update."""

from condensery.starts.base import Network, Start
from condensery.starts.herded import HerdedImages
from condensery.starts.kmeans import KMeansImages
from condensery.starts.plain import FirstImages, Noise, RandomImages

__all__ = [
    "FirstImages",
    "HerdedImages",
    "KMeansImages",
    "Network",
    "Noise",
    "RandomImages",
    "Start",
]
