"""Who computes beside others, and who must be alone because he replaces what all threads share.

Knows nothing about what is computed or replaced.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, get_ident

__all__ = ["beside_others", "undisturbed"]


class _Floor:
    """Taken by many threads at once, or by one alone."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._many, self._one, self._times = 0, 0, 0  # holders; who is alone, and how often
        self._waiting = 0  # to be alone; nobody comes before them

    @contextmanager
    def alone(self) -> Generator[None]:
        with self._changed:
            me = get_ident()
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._one == me or not (self._one or self._many))
            finally:  # also where waiting is interrupted
                self._waiting -= 1
                self._changed.notify_all()
            self._one, self._times = me, self._times + 1
        try:
            yield
        finally:
            with self._changed:
                self._times -= 1
                self._one = self._one if self._times else 0
                self._changed.notify_all()

    def __enter__(self) -> None:
        with self._changed:
            me = get_ident()
            self._changed.wait_for(lambda: self._one == me or not (self._one or self._waiting))
            self._many += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._many -= 1
            self._changed.notify_all()


beside_others = _Floor()
"""Held while compiled code runs; see ``undisturbed``."""


def undisturbed() -> AbstractContextManager[None]:
    """Held while what all threads share is replaced: by tracing, compiling, or drawing a network.

    A tracer replaces how modules are called, and compiled code refuses to run meanwhile; the
    constructors of modules draw from one random state. Waits until no other thread holds this or
    is ``beside_others``, and keeps them waiting; a thread may hold it again, not beside others.
    """
    return beside_others.alone()


if hasattr(os, "register_at_fork"):  # whoever held it does not live on in a child
    os.register_at_fork(after_in_child=beside_others.__init__)
