"""One readers-writer lock for the process: it protects what torch shares between all threads."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, get_ident


class _Lock:
    """Held by many threads at the same time (shared), or by one thread alone (exclusive)."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._shared = 0  # how many hold it shared
        self._owner, self._depth = 0, 0  # the thread that holds it exclusively, and how often
        self._waiting = 0  # threads that want it exclusively; they come before new shared holders

    @contextmanager
    def exclusive(self) -> Generator[None]:
        with self._changed:
            me = get_ident()
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._owner == me or not (self._owner or self._shared)
                )
            finally:  # also if an interrupt ends the waiting
                self._waiting -= 1
                self._changed.notify_all()
            self._owner, self._depth = me, self._depth + 1
        try:
            yield
        finally:
            with self._changed:
                self._depth -= 1
                self._owner = self._owner if self._depth else 0
                self._changed.notify_all()

    def __enter__(self) -> None:
        with self._changed:
            me = get_ident()
            self._changed.wait_for(lambda: self._owner == me or not (self._owner or self._waiting))
            self._shared += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._shared -= 1
            self._changed.notify_all()


shared_lock = _Lock()
"""A context manager for compiled code while it runs; see ``exclusive_lock``."""


def exclusive_lock() -> AbstractContextManager[None]:
    """Hold this while something is replaced that torch shares between all threads.

    Tracing replaces how modules are called, and compiled code refuses to run during that time.
    Modules draw their first parameters from one global random state.

    Entering waits until no other thread holds this lock or ``shared_lock``, and new holders of
    ``shared_lock`` wait behind it. A thread that holds it may enter it again, and may enter
    ``shared_lock``. A thread that holds only ``shared_lock`` must not enter it: it would wait for
    itself.
    """
    return shared_lock.exclusive()


if hasattr(os, "register_at_fork"):  # the threads that held it do not exist in a child process
    os.register_at_fork(after_in_child=shared_lock.__init__)
