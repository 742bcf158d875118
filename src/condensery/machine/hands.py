"""Tasks side by side, one after the other as they end, or aside.

No more threads compute at once than torch has been given (the *hands*), whoever asks for them.
Knows nothing about what the tasks do.
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

__all__ = ["as_completed", "as_they_come", "aside", "go_on", "side_by_side", "threads", "undivided"]

_G = TypeVar("_G")
_T = TypeVar("_T")


def threads() -> int:
    """How many tasks work should be cut into: as many as torch has threads; see ``aside``."""
    return _here.cut or _hands()


def side_by_side(do: Callable[..., _T], *given: Iterable[Any], cut: int = 1) -> Iterator[_T]:
    """``map``, with as many tasks at once as there are free hands; each computes with one thread.

    Threads that share a task wait for each other at the end of every operation; threads with a
    task of their own do not. With one thread, or one task, it is ``map``.

    Args:
        do: Independent of the other tasks. What it calls must let go of the interpreter while it
            computes: torch does, and so does compiled code with a wrapper in C++.
        given: Arguments of each task.
        cut: How many tasks of its own each is cut into (``threads``). Hands that are left over, as
            at the end, take some of these.

    Yields:
        What each task gives, in the order of the tasks, whoever was ready first. The first
        failure is raised in its place, and tasks that have not begun are dropped.
    """
    tasks = list(zip(*given, strict=True))
    hands = _hands()
    within = hands if cut > 1 else 1
    if hands == 1 or len(tasks) < 2:
        yield from (do(*task) for task in tasks)
        return
    asked: deque[Future[_T]] = deque(Future() for _ in tasks)
    left = deque(zip(asked, tasks, strict=True))
    graphs = torch.is_grad_enabled()  # belongs to a thread

    def one_more() -> bool:
        try:
            future, task = left.popleft()
        except IndexError:
            return False
        with torch.set_grad_enabled(graphs), _alone(hands=within, cut=cut):
            try:
                future.set_result(do(*task))
            except BaseException as error:
                left.clear()
                future.set_exception(error)
        return True

    def all_there_are() -> None:
        while one_more():
            pass

    helpers: list[Future[None]] = []

    def call_for_help() -> None:  # by now some may have become free
        helpers.extend(_help(all_there_are, most=len(left) - 1, hands=hands))

    try:
        call_for_help()
        while one_more():
            call_for_help()
            while asked and asked[0].done():  # so that results need not be kept
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()
    finally:
        left.clear()
        wait(helpers)


def as_completed(do: Callable[[_G], _T], given: Iterable[_G]) -> Iterator[tuple[_G, _T]]:
    """``as_they_come`` of tasks of one stage.

    Args:
        do: As in ``side_by_side``; it calls ``go_on`` now and then.
        given: What it is given.

    Yields:
        What was given and what it became, in the order in which they end.
    """

    def only(each: _G) -> Generator[tuple[_G, _T]]:
        yield each, do(each)

    yield from as_they_come(only(each) for each in given)


def as_they_come(tasks: Iterable[Generator[_T]]) -> Generator[_T]:
    """Long tasks side by side; whoever waits for them does none, so he hears of each at once.

    Each computes with one thread, and is not cut. With one thread, one after the other.

    Args:
        tasks: Each comes stage by stage; what it calls is as in ``side_by_side``, and calls
            ``go_on`` now and then. As many as there are hands are begun, others when one is over.
            A stage is begun only when its predecessor was told of and more is asked for.

    Yields:
        What every stage yields, in the order in which they end, before a failure is raised. After
        that, or where nobody asks for more, stages that have begun are given up, and all tasks are
        closed.
    """
    hands, graphs, given_up = _hands(), torch.is_grad_enabled(), Event()
    left = deque(tasks)
    everyone = tuple(left)

    def stage(task: Generator[_T]) -> tuple[Generator[_T], list[_T]]:
        _here.given_up = given_up
        try:
            with torch.set_grad_enabled(graphs), _alone(hands=1, cut=1):
                return task, [*islice(task, 1)]
        finally:
            _here.given_up = None

    running: set[Future[tuple[Generator[_T], list[_T]]]] = set()
    try:
        while left or running:
            with _HANDS.lent():  # his who waits
                while left and (begun := _help(partial(stage, left[0]), most=1, hands=hands)):
                    left.popleft()
                    running.update(begun)
                done, running = wait(running, return_when=FIRST_COMPLETED)
            failures_last = sorted(done, key=lambda each: each.exception() is not None)
            ended = (each.result() for each in failures_last)
            if not done:  # no hand is free, and nobody will give one back to us
                ended = (stage(left.popleft()),)
            for task, found in ended:
                if found:
                    left.appendleft(task)
                    yield found[0]
    finally:
        given_up.set()
        wait(running)
        for task in everyone:
            task.close()


def go_on() -> None:
    """End a long task, by an exception, that nobody waits for any more; see ``as_they_come``."""
    if _here.given_up is not None and _here.given_up.is_set():
        raise _GivenUpError


class _GivenUpError(Exception):
    """Nobody hears of it."""


@contextmanager
def aside(do: Callable[[], object] | None) -> Generator[None]:
    """Do something else while the body runs; both are done at the end.

    It takes one hand, and the body keeps the others; whoever is ready first leaves his to the
    other. With one thread, it is done after the body. Results are the same bits whoever was faster:
    the body is cut for all hands (``threads``), what is done aside for half of them (cut less, it
    takes less), and what is not cut computes with one thread.

    Args:
        do: Independent of the body; None is nothing. Not done if the body fails before it has
            begun.
    """
    if do is None:
        yield
        return
    hands, graphs = _hands(), torch.is_grad_enabled()

    def work() -> None:
        with torch.set_grad_enabled(graphs), _alone(hands=hands, cut=max(1, hands // 2)):
            do()

    with _alone(hands=hands, cut=hands):
        begun = _help(work, most=1, hands=hands)
        try:
            yield
        finally:
            with _HANDS.lent():
                wait(begun)
        for task in begun:
            task.result()
        if not begun:
            work()


@contextmanager
def undivided(when: bool = True) -> Generator[None]:
    """Compute what is not cut into tasks with one thread.

    For what cuts its work itself: the threads of a small operation, which then wait for the next
    one, would take the place of those of the tasks.
    """
    if when:
        with _alone(hands=_hands(), cut=threads()):
            yield
    else:
        yield


class _Here(local):
    """What this thread is about."""

    hands: int | None = None  # how many there are; None: as many as torch has threads
    cut: int | None = None  # see ``threads``; None: as many
    given_up: Event | None = None  # see ``go_on``


_here = _Here()


def _hands() -> int:
    return _here.hands or torch.get_num_threads()


@contextmanager
def _alone(*, hands: int, cut: int) -> Generator[None]:
    """Compute with one thread, whose work may be cut for several."""
    before, computed_with = (_here.hands, _here.cut), torch.get_num_threads()
    _here.hands, _here.cut = hands, cut
    _compute_with(1)
    try:
        yield
    finally:
        _here.hands, _here.cut = before
        _compute_with(computed_with)


def _compute_with(number: int) -> None:
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)


class _Hands:
    """How many compute, besides those who wait for them."""

    def __init__(self) -> None:
        self._lock, self._helping = Lock(), 0

    def take(self, most: int, *, of: int) -> int:
        """Take up to ``most`` free ones, of all that there are; one is his who asks."""
        with self._lock:
            taken = max(0, min(most, of - 1 - self._helping))
            self._helping += taken
        return taken

    def give(self, number: int) -> None:
        """Give some back."""
        with self._lock:
            self._helping -= number

    @contextmanager
    def lent(self) -> Generator[None]:
        """Let others have the own one, while one waits."""
        self.give(1)
        try:
            yield
        finally:
            self.give(-1)


_HANDS = _Hands()


def _help(do: Callable[[], _T], *, most: int, hands: int) -> list[Future[_T]]:
    """Let up to ``most`` threads do this, as far as hands are free; none is, where it is empty."""

    def work() -> _T:
        try:
            return do()
        finally:
            _HANDS.give(1)

    return [_workers(hands).submit(work) for _ in range(_HANDS.take(most, of=hands))]


@cache
def _workers(number: int) -> ThreadPoolExecutor:
    # How many threads torch uses belongs to the thread that says it, but a new thread begins with
    # what was said last anywhere. So all workers are started at once and say theirs, and then it is
    # put back for whoever comes after.
    barrier, before = Barrier(number), torch.get_num_threads()

    def begin() -> None:
        torch.get_num_threads()  # takes over what was said last, before it says its own
        torch.set_num_threads(1)
        barrier.wait()

    pool = ThreadPoolExecutor(number, thread_name_prefix="condensery", initializer=begin)
    list(pool.map(int, range(number)))
    torch.set_num_threads(before)
    return pool


def _forked() -> None:
    _HANDS.__init__()
    _workers.cache_clear()


if hasattr(os, "register_at_fork"):  # threads do not live on in a child
    os.register_at_fork(after_in_child=_forked)
