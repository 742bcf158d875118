"""How a gradient changes the stored images, and what else is learned."""

from condensery.updates.adam import Adam
from condensery.updates.base import ImageUpdate
from condensery.updates.learned import LearnedLabels, LearnedStep
from condensery.updates.sgd import SGD, joint_sgd

__all__ = ["SGD", "Adam", "ImageUpdate", "LearnedLabels", "LearnedStep", "joint_sgd"]
