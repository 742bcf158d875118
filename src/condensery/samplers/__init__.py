"""Which real examples a step sees."""

from condensery.samplers.base import Draw, Sampler
from condensery.samplers.random_per_class import RandomPerClass

__all__ = ["Draw", "RandomPerClass", "Sampler"]
