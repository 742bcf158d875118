"""Size policies: which sizes of the set are matched."""

from condensery.condensing.sizes.base import MatchedSets, SizePolicy, SizeState, Weights, weighted
from condensery.condensing.sizes.fixed import AllSizes, OneSize, RandomSize
from condensery.condensing.sizes.most_learnable import MostLearnable, period_of

__all__ = [
    "AllSizes",
    "MatchedSets",
    "MostLearnable",
    "OneSize",
    "RandomSize",
    "SizePolicy",
    "SizeState",
    "Weights",
    "period_of",
    "weighted",
]
