"""Objectives: distances between synthetic and real data under a network."""

from condensery.condensing.objectives.base import (
    FeatureComparison,
    FeatureObjective,
    Match,
    Objective,
    ObjectiveState,
)
from condensery.condensing.objectives.calibrated import Calibrated
from condensery.condensing.objectives.characteristic import CharacteristicFunction
from condensery.condensing.objectives.distribution import DistributionMatching
from condensery.condensing.objectives.features import FeatureRegression
from condensery.condensing.objectives.gradient import GradientMatching
from condensery.condensing.objectives.kernel_mmd import KernelMMD
from condensery.condensing.objectives.ridge import RidgeRegression
from condensery.condensing.objectives.trajectory import TrajectoryMatching

__all__ = [
    "Calibrated",
    "CharacteristicFunction",
    "DistributionMatching",
    "FeatureComparison",
    "FeatureObjective",
    "FeatureRegression",
    "GradientMatching",
    "KernelMMD",
    "Match",
    "Objective",
    "ObjectiveState",
    "RidgeRegression",
    "TrajectoryMatching",
]
