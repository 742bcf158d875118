"""How long work reports what it does: events for one listener.

A listener is anything that can be called with an ``Event``: ``print``, a method of a logger, or
``Bars``. Library code prints nothing itself.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from condensery.interrupts import raise_if_interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a listener may show.

    Attributes:
        kind: ``"begin"``, ``"step"`` and ``"end"`` of a task, or a ``"notice"`` between them.
        text: Of a step: what happened, such as a loss. Of a notice: whole sentences.
        task: Name of the task, such as ``"condense"`` or ``"evaluate"``; empty for a notice.
        done: Steps that are done, those of earlier processes included.
        total: Steps altogether.
        unit: Name of a step, such as ``"network"``.
        seconds_left: Estimate for the rest of the task, after a step.
    """

    kind: Literal["begin", "step", "end", "notice"]
    text: str = ""
    task: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    seconds_left: float | None = None

    def __str__(self) -> str:
        if self.kind == "notice":
            return self.text
        where = f"{self.task}: {self.unit} {self.done}/{self.total}"
        if self.kind != "step":
            return f"{where}, {self.kind}"
        return f"{where}, {clock(self.seconds_left or 0.0)} left, {self.text}"


Listener: TypeAlias = Callable[[Event], Any]
"""What is given as ``progress=``. What it returns is ignored; an exception ends the work, as an
interrupt does."""


class Reporter:
    """What library code reports to: turns steps into events for one listener."""

    def __init__(self, listener: Listener | None = None) -> None:
        """Report to a listener; to ``default_listener()`` if ``None``."""
        self.listener = default_listener() if listener is None else listener

    def notice(self, text: str) -> None:
        """Report something between two steps, in whole sentences."""
        self.listener(Event(kind="notice", text=text))

    @contextmanager
    def task(
        self, name: str, *, total: int, done: int = 0, unit: str = "step", concurrent: int = 1
    ) -> Generator[Task]:
        """Report the way from ``done`` to ``total``.

        Args:
            name: Of the task.
            total: Steps altogether.
            done: Steps that an earlier process did.
            unit: Name of a step.
            concurrent: Steps that are in progress at the same time.
        """
        task = Task(self.listener, name, total=total, done=done, unit=unit, concurrent=concurrent)
        self.listener(task.event("begin"))
        try:
            yield task
        finally:
            self.listener(task.event("end"))


class Task:
    """A task whose steps are counted, with an estimate of the time that is left.

    The estimate is made from the steps of this process. Its first steps, in which much is prepared
    (code is compiled, for example), count only until there is another one.
    """

    def __init__(
        self, listener: Listener, name: str, *, total: int, done: int, unit: str, concurrent: int
    ) -> None:
        self.name, self.total, self.done, self.unit = name, total, done, unit
        self._listener, self._concurrent = listener, concurrent
        self._begin, self._counted, self._prepared = time.monotonic(), 0, False

    def step(self, text: str, *, left: float | None = None) -> None:
        """Report that one more step is done.

        Args:
            text: What happened.
            left: Seconds that are left at most, if there is a limit other than the count.

        Raises:
            KeyboardInterrupt: If the process was asked to end.
        """
        raise_if_interrupted()
        self.done += 1
        self._counted += 1
        now = time.monotonic()
        rest = (now - self._begin) / self._counted * (self.total - self.done)
        if not self._prepared and self._counted == self._concurrent:
            self._begin, self._counted, self._prepared = now, 0, True
        rest = rest if left is None else max(0.0, min(rest, left))
        self._listener(self.event("step", text=text, seconds_left=rest))

    def event(
        self,
        kind: Literal["begin", "step", "end"],
        *,
        text: str = "",
        seconds_left: float | None = None,
    ) -> Event:
        """An event of this task as it is now."""
        return Event(
            kind=kind,
            text=text,
            task=self.name,
            done=self.done,
            total=self.total,
            unit=self.unit,
            seconds_left=seconds_left,
        )


class ProgressBars:
    """A listener that draws one bar a task on standard error, or in a notebook."""

    def __init__(self) -> None:
        if _in_notebook():
            from tqdm.auto import tqdm
        else:
            from tqdm import tqdm
        self._tqdm, self._bar = tqdm, None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if event.kind == "notice":
            self._tqdm.write(event.text, file=sys.stderr)
        elif event.kind == "begin":
            layout = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} {unit}s{postfix}"
            self._bar: Any = self._tqdm(
                desc=event.task,
                total=event.total,
                initial=event.done,
                unit=event.unit,
                bar_format=layout,
                dynamic_ncols=True,
                file=sys.stderr,
            )
        elif self._bar is not None and event.kind == "step":
            left = clock(event.seconds_left or 0.0)
            self._bar.set_postfix_str(f"{left} left, {event.text}", refresh=False)
            self._bar.update()
        elif self._bar is not None:
            self._bar.close()
            self._bar = None


def default_listener() -> Listener:
    """Bars on a terminal and in a notebook.

    Elsewhere nothing is printed: notices go to the logger ``condensery`` at level INFO.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return ProgressBars() if terminal or _in_notebook() else _log_notices


def _log_notices(event: Event) -> None:
    if event.kind == "notice":
        logging.getLogger("condensery").info("%s", event.text)


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython is not imported for the answer."""
    get_ipython: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def clock(seconds: float) -> str:
    """``1:05``, or ``2:03:04`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
