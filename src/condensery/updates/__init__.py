"""How a gradient changes the stored images."""

from condensery.updates.adam import Adam
from condensery.updates.base import ImageUpdate
from condensery.updates.sgd import SGD, joint_sgd

__all__ = ["SGD", "Adam", "ImageUpdate", "joint_sgd"]
