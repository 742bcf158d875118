"""Kernels: similarities of images in closed form, and regression with them."""

from __future__ import annotations

from condensery.kernels.base import Kernel
from condensery.kernels.fully_connected import FullyConnected
from condensery.kernels.rbf import RBF
from condensery.kernels.regression import label_solve, predict, regularised

__all__ = ["RBF", "FullyConnected", "Kernel", "label_solve", "predict", "regularised"]
