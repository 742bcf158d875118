"""Which networks the images are matched under, and when."""

from condensery.schedules.base import Schedule, World
from condensery.schedules.redraw import Redraw

__all__ = ["Redraw", "Schedule", "World"]
