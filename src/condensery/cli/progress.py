"""The progress of a command on standard error: bars on a terminal, a few lines elsewhere.

Results go to standard output.
"""

from __future__ import annotations

import sys
import time

from condensery.runs.listener import Event, Listener, ProgressBars

_SECONDS = 10.0
"""Seconds between two lines of a task; the first and the last line are always printed."""


def listener() -> Listener:
    """The listener for all commands."""
    return ProgressBars() if sys.stderr.isatty() else ProgressLines()


class ProgressLines:
    """A listener that prints a line now and then."""

    def __init__(self) -> None:
        self._printed: float | None = None

    def __call__(self, event: Event) -> None:
        """Print an event, if it is time for it."""
        if event.kind == "begin":
            self._printed = None
        now = time.monotonic()
        soon = self._printed is not None and now - self._printed < _SECONDS
        last = event.done == event.total
        if event.kind == "notice" or (event.kind == "step" and (last or not soon)):
            self._printed = self._printed if event.kind == "notice" else now
            print(event, file=sys.stderr, flush=True)
