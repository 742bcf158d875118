"""Which networks the images are matched under, and when."""

from condensery.schedules.base import Schedule, World
from condensery.schedules.experts import Experts
from condensery.schedules.no_network import NoNetwork
from condensery.schedules.redraw import Redraw
from condensery.schedules.train_on_synthetic import TrainOnSynthetic

__all__ = ["Experts", "NoNetwork", "Redraw", "Schedule", "TrainOnSynthetic", "World"]
