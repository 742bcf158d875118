"""Experts: networks trained on real data, with their parameters after every epoch.

``ExpertTraining`` says how they are trained. ``Buffer`` has their trajectories, in memory or in a
folder with one file for each. Knows nothing about the schedules that use them.
"""

from condensery.experts.buffer import Buffer, EpochResult, ExpertSet, cached, get_buffer
from condensery.experts.expert_training import EXPERT_TRAINING, ExpertTraining, Parameters, loaded

__all__ = [
    "EXPERT_TRAINING",
    "Buffer",
    "EpochResult",
    "ExpertSet",
    "ExpertTraining",
    "Parameters",
    "cached",
    "get_buffer",
    "loaded",
]
