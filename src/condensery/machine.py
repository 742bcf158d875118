"""What is asked of the machine: tasks side by side, and freed memory kept.

Knows nothing about what the tasks do, nor what the memory is for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import Any, TypeVar

import torch

__all__ = ["keep_freed", "side_by_side"]

_T = TypeVar("_T")


def side_by_side(do: Callable[..., _T], *given: Iterable[Any]) -> Iterator[_T]:
    """``map``, with as many tasks at once as torch has threads; each computes with one.

    Threads that share a task wait for each other at the end of every operation; threads with a
    task of their own do not. With one thread, or one task, it is ``map``.

    Args:
        do: Independent of the other tasks. What it calls must let go of the interpreter while it
            computes: torch does, and so does compiled code with a wrapper in C++.
        given: Arguments of each task.

    Yields:
        What each task gives, in the order of the tasks, whoever was ready first. The first
        failure is raised in its place, and tasks that have not begun are dropped.
    """
    tasks = list(zip(*given, strict=True))
    threads = torch.get_num_threads()
    if threads == 1 or len(tasks) < 2:
        yield from (do(*task) for task in tasks)
        return
    graphs = torch.is_grad_enabled()  # belongs to a thread

    def one(task: tuple[Any, ...]) -> _T:
        with torch.set_grad_enabled(graphs):
            return do(*task)

    yield from _workers(threads).map(one, tasks)


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    # How many threads torch uses belongs to the thread that says it, but a new thread begins with
    # what was said last anywhere. So all workers are started at once and say theirs, and then it is
    # put back for whoever comes after.
    barrier = Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # takes over what was said last, before it says its own
        torch.set_num_threads(1)
        barrier.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="condensery", initializer=begin)
    list(pool.map(int, range(threads)))
    torch.set_num_threads(threads)
    return pool


if hasattr(os, "register_at_fork"):  # threads do not live on in a child
    os.register_at_fork(after_in_child=_workers.cache_clear)


@cache
def keep_freed() -> None:
    """Let glibc keep up to 64 MB of freed memory for whoever asks next.

    Otherwise it hands feature maps back to the system as soon as they are freed, and each of their
    pages faults anew at the next use: a fifth of the time. glibc learns from what is freed (the
    largest mapped block, up to 32 MB) what to keep (twice that), so it is shown one such block,
    which nothing ever touches. No effect with other allocators.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)
