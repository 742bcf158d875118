"""Schedules: under which networks the images are matched, and when."""

from condensery.condensing.schedules.base import NetworkTraining, RunContext, Schedule
from condensery.condensing.schedules.experts import Experts, OnExperts
from condensery.condensing.schedules.interpolated import Interpolated
from condensery.condensing.schedules.no_network import NoNetwork
from condensery.condensing.schedules.pool import Pool
from condensery.condensing.schedules.redraw import Redraw
from condensery.condensing.schedules.staged import Staged
from condensery.condensing.schedules.train_on_synthetic import TrainOnSynthetic

__all__ = [
    "Experts",
    "Interpolated",
    "NetworkTraining",
    "NoNetwork",
    "OnExperts",
    "Pool",
    "Redraw",
    "RunContext",
    "Schedule",
    "Staged",
    "TrainOnSynthetic",
]
