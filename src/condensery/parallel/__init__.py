"""Tasks at the same time: on threads, in the background, on a cluster; and processes in step."""

from condensery.parallel.locks import exclusive_lock, shared_lock
from condensery.parallel.pool import THREADS, Pool, Threads, pool_of
from condensery.parallel.processes import ALONE, Processes, joined
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
    "ALONE",
    "THREADS",
    "Pool",
    "Processes",
    "Threads",
    "as_completed",
    "check_cancelled",
    "exclusive_lock",
    "joined",
    "map_threads",
    "one_worker",
    "overlap",
    "pool_of",
    "shared_lock",
    "single_threaded",
    "workers",
]
