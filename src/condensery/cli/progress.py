"""What a run shows while it works: a live line on a terminal, now and then a line elsewhere.

Knows nothing about what is counted. Everything goes to stderr; results go to stdout.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

from condensery.cli.process import raise_if_signalled

__all__ = ["Show", "clock", "live", "note"]

_PLAIN_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class Show(Protocol):
    """A line that lives."""

    def step(self, text: str, *, left: float | None = None) -> None:
        """One more is done.

        Args:
            text: What happened.
            left: Seconds that are left at most, if there is a limit other than the count.
        """
        ...


def note(text: str) -> None:
    """Say something between two steps."""
    tqdm.write(text, file=sys.stderr)


@contextmanager
def live(title: str, *, total: int, done: int, unit: str, at_once: int = 1) -> Generator[Show]:
    """Show the way from ``done`` to ``total``.

    Args:
        title: Of what is done.
        total: Steps altogether.
        done: Steps that an earlier process did.
        unit: Name of a step.
        at_once: Steps that are under way at the same time.
    """
    if not sys.stderr.isatty():
        yield _Plain(title, _Pace(total=total, done=done, at_once=at_once), unit=unit)
        return
    layout = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} {unit}s{postfix}"
    with tqdm(
        desc=title,
        total=total,
        initial=done,
        unit=unit,
        bar_format=layout,
        dynamic_ncols=True,
        file=sys.stderr,
    ) as bar:
        yield _Bar(bar, _Pace(total=total, done=done, at_once=at_once))


class _Pace:
    """How long the rest takes, judged by this process alone.

    Its first steps, in which much is made ready (code is compiled, say), count only until there
    is another.
    """

    def __init__(self, *, total: int, done: int, at_once: int) -> None:
        self.total, self.done, self._at_once = total, done, at_once
        self._begin, self._counted, self._ready = time.monotonic(), 0, False

    def step(self, left: float | None) -> str:
        raise_if_signalled()
        self.done += 1
        self._counted += 1
        now = time.monotonic()
        rest = (now - self._begin) / self._counted * (self.total - self.done)
        if not self._ready and self._counted == self._at_once:
            self._begin, self._counted, self._ready = now, 0, True
        return clock(rest if left is None else max(0.0, min(rest, left)))


class _Bar:
    def __init__(self, bar: tqdm, pace: _Pace) -> None:
        self._bar, self._pace = bar, pace

    def step(self, text: str, *, left: float | None = None) -> None:
        rest = self._pace.step(left)
        self._bar.set_postfix_str(f"{rest} left, {text}", refresh=False)
        self._bar.update()


class _Plain:
    def __init__(self, title: str, pace: _Pace, *, unit: str) -> None:
        self._title, self._pace, self._unit = title, pace, unit
        self._said: float | None = None

    def step(self, text: str, *, left: float | None = None) -> None:
        rest = self._pace.step(left)
        now, pace = time.monotonic(), self._pace
        soon = self._said is not None and now - self._said < _PLAIN_EVERY
        if soon and pace.done < pace.total:
            return
        self._said = now
        print(
            f"{self._title}: {self._unit} {pace.done}/{pace.total}, {rest} left, {text}",
            file=sys.stderr,
            flush=True,
        )


def clock(seconds: float) -> str:
    """``1:05``, or ``2:03:04`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
