"""What is asked of the machine: threads, to be alone among them, and freed memory."""

from condensery.machine.floor import beside_others, undisturbed
from condensery.machine.hands import (
    as_completed,
    as_they_come,
    aside,
    go_on,
    side_by_side,
    threads,
    undivided,
)
from condensery.machine.memory import keep_freed

__all__ = [
    "as_completed",
    "as_they_come",
    "aside",
    "beside_others",
    "go_on",
    "keep_freed",
    "side_by_side",
    "threads",
    "undisturbed",
    "undivided",
]
