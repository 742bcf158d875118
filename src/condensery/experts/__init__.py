"""Experts: networks trained on real data whose ways are kept, epoch after epoch.

``Schooling`` says how they are trained, ``Buffer`` has their trajectories, in memory or in a folder
of one file each. Knows nothing about what is matched to them.
"""

from condensery.experts.buffer import Buffer, Made, Order, opened
from condensery.experts.schooling import EXPERT_TRAINING, Parameters, Schooling, loaded

__all__ = [
    "EXPERT_TRAINING",
    "Buffer",
    "Made",
    "Order",
    "Parameters",
    "Schooling",
    "loaded",
    "opened",
]
