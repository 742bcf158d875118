"""How a gradient changes the stored images, and what else is learned."""

from condensery.updates.adam import Adam
from condensery.updates.base import ImageUpdate, Learned
from condensery.updates.learned import LearnedLabels, LearnedLR
from condensery.updates.sgd import SGD, joint_sgd
from condensery.updates.simplex import OnSimplex, nearest_probabilities

__all__ = [
    "SGD",
    "Adam",
    "ImageUpdate",
    "Learned",
    "LearnedLR",
    "LearnedLabels",
    "OnSimplex",
    "joint_sgd",
    "nearest_probabilities",
]
