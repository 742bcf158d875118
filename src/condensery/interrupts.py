"""A request to end the process that long work must not miss.

An exception that a signal handler raises inside a finaliser or a callback is printed and lost
there. So the program that handles signals says here how to ask whether one came, and long work
asks after each of its steps. Imports the standard library alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["raise_if_interrupted", "set_interrupt_check"]

_check: Callable[[], None] | None = None


def set_interrupt_check(check: Callable[[], None] | None) -> None:
    """Set what ``raise_if_interrupted`` calls.

    Args:
        check: Raises ``KeyboardInterrupt`` if the process was asked to end; ``None`` for nothing.
    """
    global _check
    _check = check


def raise_if_interrupted() -> None:
    """Raise ``KeyboardInterrupt`` in the main thread if the process was asked to end."""
    if _check is not None and threading.current_thread() is threading.main_thread():
        _check()
