"""Samplers: which real examples an image update sees."""

from condensery.condensing.samplers.base import Draw, Sampler, real_examples
from condensery.condensing.samplers.kept_means import KeptMeans
from condensery.condensing.samplers.kmeans_per_class import KMeansPerClass
from condensery.condensing.samplers.random_per_class import RandomPerClass

__all__ = ["Draw", "KMeansPerClass", "KeptMeans", "RandomPerClass", "Sampler", "real_examples"]
