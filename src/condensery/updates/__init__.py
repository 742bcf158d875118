"""How a gradient changes the stored images, and what else is learned."""

from condensery.updates.adam import Adam
from condensery.updates.base import ImageUpdate
from condensery.updates.learned import LearnedLabels, LearnedStep
from condensery.updates.sgd import SGD, joint_sgd
from condensery.updates.simplex import OnSimplex, nearest_probabilities

__all__ = [
    "SGD",
    "Adam",
    "ImageUpdate",
    "LearnedLabels",
    "LearnedStep",
    "OnSimplex",
    "joint_sgd",
    "nearest_probabilities",
]
