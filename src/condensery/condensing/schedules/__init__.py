"""Which networks the images are matched under, and when."""

from condensery.condensing.schedules.base import NetworkTraining, RunContext, Schedule
from condensery.condensing.schedules.experts import Experts
from condensery.condensing.schedules.no_network import NoNetwork
from condensery.condensing.schedules.pool import Pool
from condensery.condensing.schedules.redraw import Redraw
from condensery.condensing.schedules.train_on_synthetic import TrainOnSynthetic

__all__ = [
    "Experts",
    "NetworkTraining",
    "NoNetwork",
    "Pool",
    "Redraw",
    "RunContext",
    "Schedule",
    "TrainOnSynthetic",
]
