"""A request to end the process, which long work must not miss.

An exception that a signal handler raises inside a finaliser or a callback is printed and then lost.
Therefore the program that handles signals registers a check here, and long work calls this check
after each of its steps. Imports only the standard library.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

_check: Callable[[], None] | None = None
_deferred = 0


def set_interrupt_check(check: Callable[[], None] | None) -> None:
    """Set the function that ``raise_if_interrupted`` calls.

    Args:
        check: Raises ``KeyboardInterrupt`` if the process was asked to end; ``None``: no check.
    """
    global _check
    _check = check


def raise_if_interrupted() -> None:
    """Raise ``KeyboardInterrupt`` in the main thread if the process was asked to end."""
    in_main = threading.current_thread() is threading.main_thread()
    if _check is not None and in_main and not _deferred:
        _check()


@contextmanager
def deferred_interrupts(when: bool = True) -> Generator[None]:
    """Let a request to end the process only be noted in the body, which asks for it.

    For work that several processes do in step: they have to end it at the same point.

    Args:
        when: If False, nothing changes.
    """
    global _deferred
    _deferred += when
    try:
        yield
    finally:
        _deferred -= when


def interrupts_are_deferred() -> bool:
    """Whether a request to end the process is only noted."""
    return _deferred > 0


def interrupt_asked() -> bool:
    """Whether the process was asked to end, also where that is deferred."""
    if _check is None:
        return False
    try:
        _check()
    except KeyboardInterrupt:
        return True
    return False
