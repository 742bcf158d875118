"""How long work reports its progress: events for one listener.

A listener is a function that is called with every ``Event``: ``print``, a method of a logger, or
``ProgressBars``. Library code prints nothing.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from condensery.interrupts import raise_if_interrupted
from condensery.runs.tracking import Tracker, Trackers


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that a listener may show.

    Attributes:
        kind: ``"begin"``, ``"step"`` and ``"end"`` of a task, or a ``"notice"`` between them.
        text: For a step: its result, such as a loss. For a notice: whole sentences.
        task: Name of the task, such as ``"condense"`` or ``"evaluate"``; empty for a notice.
        done: Number of finished steps, with those of earlier processes.
        total: Total number of steps.
        unit: Name of a step, such as ``"network"``.
        seconds_left: Estimated remaining time of the task, after a step.
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
"""The type of ``progress=``. Its result is ignored; an exception ends the work, as an interrupt
does."""


class Reporter:
    """Turns the reports of library code into events for one listener.

    Attributes:
        trackers: Where the numbers of the work go besides the files.
    """

    def __init__(self, listener: Listener | None = None, *, track: Sequence[Tracker] = ()) -> None:
        """A reporter for a listener (``None`` is ``default_listener()``) and trackers."""
        self.listener = default_listener() if listener is None else listener
        self.trackers = Trackers(track, self.notice)

    def notice(self, text: str) -> None:
        """Report a notice between two steps, in whole sentences."""
        self.listener(Event(kind="notice", text=text))

    @contextmanager
    def task(
        self, name: str, *, total: int, done: int = 0, unit: str = "step", concurrent: int = 1
    ) -> Generator[Task]:
        """Report a task from step ``done`` to ``total``.

        Args:
            name: Name of the task.
            total: Total number of steps.
            done: Number of steps of earlier processes.
            unit: Name of a step.
            concurrent: Number of steps that are in progress at the same time.
        """
        task = Task(self.listener, name, total=total, done=done, unit=unit, concurrent=concurrent)
        self.listener(task.event("begin"))
        try:
            yield task
        finally:
            self.listener(task.event("end"))


class Task:
    """A task whose steps are counted, with an estimate of its remaining time.

    The estimate uses the steps of this process. Its first steps, which include preparations such as
    compiling, are used only until there are later ones.
    """

    def __init__(
        self, listener: Listener, name: str, *, total: int, done: int, unit: str, concurrent: int
    ) -> None:
        self.name, self.total, self.done, self.unit = name, total, done, unit
        self._listener, self._concurrent = listener, concurrent
        self._begin, self._counted, self._prepared = time.monotonic(), 0, False

    def step(self, text: str, *, left: float | None = None) -> None:
        """Report that one more step is finished.

        Args:
            text: The result of the step.
            left: Largest remaining time in seconds, if there is a limit other than the count.

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
        """An event with the current state of this task."""
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
    """A listener that draws one bar for each task on standard error, or in a notebook."""

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
    """``ProgressBars`` on a terminal and in a notebook.

    Elsewhere nothing is printed: notices go to the logger ``condensery`` with level INFO.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return ProgressBars() if terminal or _in_notebook() else _log_notices


def _log_notices(event: Event) -> None:
    if event.kind == "notice":
        logging.getLogger("condensery").info("%s", event.text)


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; does not import IPython."""
    get_ipython: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def clock(seconds: float) -> str:
    """``1:05``, or ``2:03:04`` for an hour or more."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
