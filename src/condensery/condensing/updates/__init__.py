"""How a gradient changes the stored images, and what else is learned."""

from condensery.condensing.updates.adam import Adam
from condensery.condensing.updates.base import ImageUpdate, Learned
from condensery.condensing.updates.learned import LearnedLabels, LearnedLR
from condensery.condensing.updates.sgd import SGD, joint_sgd
from condensery.condensing.updates.simplex import OnSimplex, nearest_probabilities

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
