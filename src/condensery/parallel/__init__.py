"""Threads: tasks at the same time or in the background, and one lock for what torch shares."""

from condensery.parallel.locks import exclusive_lock, shared_lock
from condensery.parallel.workers import (
    as_completed,
    check_cancelled,
    map_threads,
    one_worker,
    overlap,
    single_threaded,
    workers,
)

__all__ = [
    "as_completed",
    "check_cancelled",
    "exclusive_lock",
    "map_threads",
    "one_worker",
    "overlap",
    "shared_lock",
    "single_threaded",
    "workers",
]
