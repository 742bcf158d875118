"""Which networks the images are matched under, and when."""

from condensery.schedules.base import NetworkTraining, RunContext, Schedule
from condensery.schedules.experts import Experts
from condensery.schedules.no_network import NoNetwork
from condensery.schedules.pool import Pool
from condensery.schedules.redraw import Redraw
from condensery.schedules.train_on_synthetic import TrainOnSynthetic

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
