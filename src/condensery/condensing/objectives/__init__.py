"""What "the synthetic data look like the real ones" means."""

from condensery.condensing.objectives.base import Match, Objective, ObjectiveState
from condensery.condensing.objectives.distribution import DistributionMatching
from condensery.condensing.objectives.features import FeatureRegression
from condensery.condensing.objectives.gradient import GradientMatching
from condensery.condensing.objectives.ridge import RidgeRegression
from condensery.condensing.objectives.trajectory import TrajectoryMatching

__all__ = [
    "DistributionMatching",
    "FeatureRegression",
    "GradientMatching",
    "Match",
    "Objective",
    "ObjectiveState",
    "RidgeRegression",
    "TrajectoryMatching",
]
