"""What "the synthetic data look like the real ones" means."""

from condensery.objectives.base import Match, Objective, ObjectiveState
from condensery.objectives.distribution import DistributionMatching
from condensery.objectives.features import FeatureRegression
from condensery.objectives.gradient import GradientMatching
from condensery.objectives.ridge import RidgeRegression
from condensery.objectives.trajectory import TrajectoryMatching

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
