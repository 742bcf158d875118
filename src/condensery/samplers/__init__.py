"""Which real examples a step sees."""

from condensery.samplers.base import Draw, Sampler
from condensery.samplers.kmeans_per_class import KMeansPerClass
from condensery.samplers.random_per_class import RandomPerClass

__all__ = ["Draw", "KMeansPerClass", "RandomPerClass", "Sampler"]
