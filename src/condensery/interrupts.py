"""A request to end the process, which long work must not miss.

An exception that a signal handler raises inside a finaliser or a callback is printed and then lost.
Therefore the program that handles signals registers a check here, and long work calls this check
after each of its steps. Imports only the standard library.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["raise_if_interrupted", "set_interrupt_check"]

_check: Callable[[], None] | None = None


def set_interrupt_check(check: Callable[[], None] | None) -> None:
    """Set the function that ``raise_if_interrupted`` calls.

    Args:
        check: Raises ``KeyboardInterrupt`` if the process was asked to end; ``None``: no check.
    """
    global _check
    _check = check


def raise_if_interrupted() -> None:
    """Raise ``KeyboardInterrupt`` in the main thread if the process was asked to end."""
    if _check is not None and threading.current_thread() is threading.main_thread():
        _check()
