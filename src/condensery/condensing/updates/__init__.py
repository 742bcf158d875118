"""Updates: how a gradient changes the stored images, and what else is learned."""

from condensery.condensing.updates.adam import Adam
from condensery.condensing.updates.base import ImageUpdate, Learned
from condensery.condensing.updates.learned import LearnedLabels, LearnedLR
from condensery.condensing.updates.sgd import SGD, sgd_for_all_classes
from condensery.condensing.updates.simplex import OnSimplex, nearest_probabilities

__all__ = [
    "SGD",
    "Adam",
    "ImageUpdate",
    "Learned",
    "LearnedLR",
    "LearnedLabels",
    "OnSimplex",
    "nearest_probabilities",
    "sgd_for_all_classes",
]
