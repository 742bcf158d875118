"""How a gradient changes the stored images."""

from condensery.updates.sgd import SGD, ImageUpdate, joint_sgd

__all__ = ["SGD", "ImageUpdate", "joint_sgd"]
