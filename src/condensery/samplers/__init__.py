"""Which real examples a matching step sees."""

from condensery.samplers.random_per_class import RandomPerClass, Sampler

__all__ = ["RandomPerClass", "Sampler"]
