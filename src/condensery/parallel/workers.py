"""Tasks on several threads: all at the same time, as they are completed, or in the background.

At most as many threads compute at the same time as torch has been given
(``torch.get_num_threads``), however these functions are nested. Each of these threads is called a
*worker*. A thread that only waits is not counted.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from itertools import islice
from threading import Barrier, Event, Lock, local
from typing import Any, TypeVar

import torch

from condensery.interrupts import raise_if_interrupted

_T = TypeVar("_T")


def workers() -> int:
    """The number of chunks that a task should cut its work into, at least 1.

    It is the number of threads of torch. In a task of ``map_threads``, ``as_completed`` or
    ``overlap`` it is the number that this function gives to its tasks.
    """
    return _local.chunks or _total()


def map_threads(
    function: Callable[..., _T], *arguments: Iterable[Any], chunks: int = 1
) -> Iterator[_T]:
    """``map``, with one call at the same time for each free worker.

    Each call computes with one thread. (Threads that share one call wait for each other at the end
    of every operation of torch.) With one worker, or one call, it is ``map``.

    Args:
        function: Independent of the other calls. What it calls must release the interpreter lock
            while it computes: torch does, and so does compiled code with a wrapper in C++.
        arguments: Iterables of equal length, as for ``map``.
        chunks: The value of ``workers`` in a call, at least 1. Workers without a call, such as at
            the end, take some of these chunks.

    Yields:
        The results in the order of the calls. The first failure is raised in place of its
        result, and calls that have not started are dropped.

    Raises:
        ValueError: If ``arguments`` differ in length.
    """
    calls = list(zip(*arguments, strict=True))
    total = _total()
    if total == 1 or len(calls) < 2:
        yield from (function(*call) for call in calls)
        return
    inside = total if chunks > 1 else 1
    results: deque[Future[_T]] = deque(Future() for _ in calls)
    pending = deque(zip(results, calls, strict=True))
    with_graph = torch.is_grad_enabled()  # a setting of each thread

    def run_one() -> bool:
        try:
            result, call = pending.popleft()
        except IndexError:
            return False
        with torch.set_grad_enabled(with_graph), _one_thread(total=inside, chunks=chunks):
            try:
                result.set_result(function(*call))
            except BaseException as error:
                pending.clear()
                result.set_exception(error)
        return True

    def run_all() -> None:
        while run_one():
            pass

    started: list[Future[None]] = []

    def start_more() -> None:  # workers may have become free since
        started.extend(_start(run_all, most=len(pending) - 1, total=total))

    try:
        start_more()
        while run_one():
            start_more()
            while results and results[0].done():  # so that results need not be stored
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        pending.clear()
        wait(started)


def as_completed(tasks: Iterable[Generator[_T]]) -> Generator[_T]:
    """Run long tasks at the same time, and yield their results as soon as they exist.

    Each task computes with one thread. The calling thread only waits, so that it receives every
    result immediately. With one worker the tasks run one after the other.

    Args:
        tasks: Independent generators. The code before each ``yield`` of a task is a stage. A task
            calls ``check_cancelled`` now and then, and otherwise follows the rules of
            ``map_threads``. One task is started for each worker, and another one when a task has
            ended. A stage starts only when the caller has received the result before it and asks
            for the next one.

    Yields:
        The results of all stages in the order in which they end; finished results come before a
        failure is raised. After a failure, and when the generator is closed, running stages are
        cancelled and all tasks are closed.
    """
    total, with_graph, cancelled = _total(), torch.is_grad_enabled(), Event()
    pending = deque(tasks)
    every = tuple(pending)

    def stage(task: Generator[_T]) -> tuple[Generator[_T], list[_T]]:
        _local.cancelled = cancelled
        try:
            with torch.set_grad_enabled(with_graph), _one_thread(total=1, chunks=1):
                return task, [*islice(task, 1)]
        finally:
            _local.cancelled = None

    running: set[Future[tuple[Generator[_T], list[_T]]]] = set()
    try:
        while pending or running:
            with _budget.lent():  # the worker of the thread that waits here
                while pending and (
                    begun := _start(partial(stage, pending[0]), most=1, total=total)
                ):
                    pending.popleft()
                    running.update(begun)
                done, running = wait(running, return_when=FIRST_COMPLETED)
            failures_last = sorted(done, key=lambda each: each.exception() is not None)
            ended = (each.result() for each in failures_last)
            if not done:  # no worker is free, and no task of ours will free one
                ended = (stage(pending.popleft()),)
            for task, found in ended:
                if found:
                    pending.appendleft(task)
                    yield found[0]
    finally:
        cancelled.set()
        wait(running)
        for task in every:
            task.close()


def check_cancelled() -> None:
    """Raise an exception if the result of the current work is no longer needed.

    This is so in a task of ``as_completed`` after another task has failed, and in the main thread
    after the process was asked to end. Call it in loops that take longer than a second.

    Raises:
        KeyboardInterrupt: In the main thread, see ``condensery.interrupts``.
    """
    raise_if_interrupted()
    if _local.cancelled is not None and _local.cancelled.is_set():
        raise _CancelledError


class _CancelledError(Exception):
    """Ends a task; ``as_completed`` never passes it on to its caller."""


@contextmanager
def overlap(background: Callable[[], object] | None) -> Generator[None]:
    """Run a function in the background while the body of the ``with`` statement runs.

    The function takes one worker and the body keeps the others; when one of the two ends, the other
    gets its workers. With one worker the function runs after the body. Both have ended when the
    statement ends.

    The results have the same bits, whichever of the two is faster: in the body, ``workers`` is the
    number of all workers, and in the function half of it. Work that is not divided into chunks
    computes with one thread in both.

    Args:
        background: A function that is independent of the body. It does not run if the body fails
            before it has started. None runs nothing, and changes nothing for the body.
    """
    if background is None:
        yield
        return
    total, with_graph = _total(), torch.is_grad_enabled()

    def work() -> None:
        half = max(1, total // 2)
        with torch.set_grad_enabled(with_graph), _one_thread(total=total, chunks=half):
            background()

    with _one_thread(total=total, chunks=total):
        begun = _start(work, most=1, total=total)
        try:
            yield
        finally:
            with _budget.lent():
                wait(begun)
        for task in begun:
            task.result()
        if not begun:
            work()


@contextmanager
def single_threaded(when: bool = True) -> Generator[None]:
    """Let every operation of torch in the body compute with one thread.

    For code that divides its work into chunks: otherwise the threads of a small operation would
    wait actively for the next operation and occupy the cores of the other workers.

    Args:
        when: If False, nothing changes.
    """
    if when:
        with _one_thread(total=_total(), chunks=workers()):
            yield
    else:
        yield


@contextmanager
def one_worker() -> Generator[None]:
    """Let this thread do all its tasks one after the other, also those of ``overlap``."""
    before = _local.total, _local.chunks
    _local.total = _local.chunks = 1
    try:
        yield
    finally:
        _local.total, _local.chunks = before


class _ThreadSettings(local):
    """Settings of one thread."""

    total: int | None = None  # number of workers; None: the number of threads of torch
    chunks: int | None = None  # see ``workers``; None: the same
    cancelled: Event | None = None  # see ``check_cancelled``


_local = _ThreadSettings()


def _total() -> int:
    return _local.total or torch.get_num_threads()


@contextmanager
def _one_thread(*, total: int, chunks: int) -> Generator[None]:
    """Compute with one thread, while work may be divided into chunks for several workers."""
    before, threads = (_local.total, _local.chunks), torch.get_num_threads()
    _local.total, _local.chunks = total, chunks
    _set_threads(1)
    try:
        yield
    finally:
        _local.total, _local.chunks = before
        _set_threads(threads)


def _set_threads(number: int) -> None:
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)


class _Budget:
    """Counts the workers that compute, without the threads that wait for them."""

    def __init__(self) -> None:
        self._lock, self._taken = Lock(), 0

    def take(self, most: int, *, of: int) -> int:
        """Take up to ``most`` free workers; the calling thread is one of all workers."""
        with self._lock:
            taken = max(0, min(most, of - 1 - self._taken))
            self._taken += taken
        return taken

    def give_back(self, number: int) -> None:
        """Free some workers."""
        with self._lock:
            self._taken -= number

    @contextmanager
    def lent(self) -> Generator[None]:
        """Free the worker of the calling thread while the thread waits."""
        self.give_back(1)
        try:
            yield
        finally:
            self.give_back(-1)


_budget = _Budget()


def _start(function: Callable[[], _T], *, most: int, total: int) -> list[Future[_T]]:
    """Call the function on up to ``most`` free workers; the list is empty if none is free."""

    def work() -> _T:
        try:
            return function()
        finally:
            _budget.give_back(1)

    return [_pool(total).submit(work) for _ in range(_budget.take(most, of=total))]


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    # The number of threads of torch is a setting of each thread, but a new thread begins with the
    # number that was set last in any thread. So all threads of the pool start now and set theirs,
    # and then the number of this thread is set again, for threads that start later.
    barrier, before = Barrier(size), torch.get_num_threads()

    def begin() -> None:
        torch.get_num_threads()  # takes the number that was set last; only then set its own
        torch.set_num_threads(1)
        barrier.wait()

    pool = ThreadPoolExecutor(size, thread_name_prefix="condensery", initializer=begin)
    list(pool.map(int, range(size)))
    torch.set_num_threads(before)
    return pool


def _after_fork() -> None:
    _budget.__init__()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):  # the threads do not exist in a child process
    os.register_at_fork(after_in_child=_after_fork)
