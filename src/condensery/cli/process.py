"""The process around a command: its output streams, and the signals that ask it to end.

Imports only a little of the standard library, so that interruptions during other imports are
already handled.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO, cast

from condensery.interrupts import interrupts_are_deferred, set_interrupt_check

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK")
"""Signals that ask a process to end; SIGBREAK exists only on Windows, SIGHUP and SIGUSR1 only on
Unix. Clusters send SIGUSR1 some time before they end a job."""

_SAME_SIGNAL = 1.0
"""Seconds in which a second signal is the same request: `timeout` and a terminal that is closed
send their signal twice, to the process and to its group."""

_ERRORS = "condensery-readable"
"""The codec error handler for characters that an encoding lacks."""

_READABLE = {"±": "+-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->"}
"""Characters of the output of the library, and replacements if an encoding lacks them."""


def program(argv0: str) -> str:
    """The command that starts this program, for usage lines."""
    if os.path.basename(argv0) == "__main__.py":
        return "python -m condensery"
    return "condensery"


class OutputError(Exception):
    """Standard output cannot be written.

    Attributes:
        cause: The error of the operating system.
        reader_is_gone: Whether the program that read the output has ended, such as ``head``.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause.strerror or str(cause))
        self.cause = cause
        gone = (errno.EPIPE, errno.EINVAL) if os.name == "nt" else (errno.EPIPE,)
        self.reader_is_gone = cause.errno in gone


class _Stream:
    """A text stream whose failed writes are reported in one way.

    After a failure the stream leads to the null device, so that nothing fails a second time when
    the interpreter flushes it at its end.
    """

    def __init__(self, stream: TextIO, *, silent: bool) -> None:
        self._stream = stream
        self._silent = silent

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._failed(error)

    def _failed(self, error: OSError | ValueError) -> None:
        if isinstance(error, UnicodeError):
            raise error
        with suppress(OSError, ValueError):  # ValueError: the stream was closed
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        if not self._silent and isinstance(error, OSError):
            raise OutputError(error) from error

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def streams() -> Generator[None]:
    """Make ``sys.stdout`` and ``sys.stderr`` safe to print to in all cases.

    * A stream that is ``None`` or closed (``pythonw``, daemons) is replaced by the null device.
    * A character that the encoding of a stream lacks is replaced: "±" by "+-", others by an escape
      with their number.
    * A failure of standard error (a closed terminal, a full disk) is ignored: it has only progress
      and notices, for which no work should be lost.
    * A failure of standard output raises ``OutputError``.
    """
    codecs.register_error(_ERRORS, _readable)
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as null:
        out, error = (_usable(stream, null) for stream in before)
        with _readable_errors(out), _readable_errors(error):
            sys.stdout = cast(TextIO, _Stream(out, silent=False))
            sys.stderr = cast(TextIO, _Stream(error, silent=True))
            try:
                yield
            finally:
                sys.stdout, sys.stderr = before


def _usable(stream: TextIO | None, null: TextIO) -> TextIO:
    return null if stream is None or stream.closed else stream


@contextmanager
def _readable_errors(stream: TextIO) -> Generator[None]:
    """Let a stream replace characters that its encoding lacks, unless PYTHONIOENCODING is set."""
    usual = ("strict", "surrogateescape", "backslashreplace")
    if not isinstance(stream, io.TextIOWrapper) or stream.errors not in usual:
        yield
        return
    errors = stream.errors
    with suppress(OSError):  # it flushes
        stream.reconfigure(errors=_ERRORS)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            stream.reconfigure(errors=errors)


def _readable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    found = (_READABLE.get(x) or x.encode("ascii", "backslashreplace").decode() for x in missing)
    return "".join(found), error.end


class _Interrupted(KeyboardInterrupt):
    """A subclass of ``KeyboardInterrupt`` that keeps the exit code.

    Python ends by SIGINT, with any exit code, if a ``KeyboardInterrupt`` itself has passed through
    Python code that a C extension runs, as some do during their import.
    """


class Signals:
    """Turns the first signal that asks the process to end into ``KeyboardInterrupt``.

    A second signal, more than a second after the first, ends the process immediately. Outside of
    the main thread, and for ignored or otherwise handled signals, nothing changes.

    Attributes:
        received: Number of the received signal, or ``None``.
    """

    received: int | None = None

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._process, self._at = os.getpid(), 0.0

    @property
    def code(self) -> int:
        """The exit code of a process that was asked to end: 128 plus the number of the signal."""
        return 128 + (signal.SIGINT if self.received is None else self.received)

    @property
    def words(self) -> str:
        """The event in words: ``"interrupted"``, or ``"stopped by SIGTERM"``."""
        if self.received in (None, signal.SIGINT):
            return "interrupted"
        return f"stopped by {signal.Signals(self.received).name}"

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is None:
                    continue
                before = signal.getsignal(number)
                if before in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = before
                    signal.signal(number, self._handle)
            set_interrupt_check(self._raise_again)
        return self

    def __exit__(self, *error: object) -> None:
        set_interrupt_check(None)
        for number, before in self._before.items():
            signal.signal(number, before)  # pyright: ignore[reportArgumentType]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if os.getpid() == self._process:
            now = time.monotonic()
            if self.received is None:
                self.received, self._at = number, now
                if interrupts_are_deferred():
                    return
                raise _Interrupted
            if now - self._at < _SAME_SIGNAL:
                return
        signal.signal(number, signal.SIG_DFL)  # the second signal, or a child of this process
        signal.raise_signal(number)

    def _raise_again(self) -> None:
        """Raise the exception of a signal again if it was lost."""
        if self.received is not None:
            raise _Interrupted
