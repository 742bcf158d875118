"""Experts: networks trained on real data whose ways are kept, epoch after epoch.

``ExpertTraining`` says how they are trained, ``Buffer`` has their trajectories, in memory or in a
folder of one file each. Knows nothing about what is matched to them.
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
