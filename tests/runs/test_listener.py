"""What a user sees: a live line on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import sys
import types
import warnings

import pytest

from condensery.cli import progress
from condensery.cli.progress import ProgressLines, listener
from condensery.runs.listener import Event, ProgressBars, Reporter, clock, default_listener


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_lines_are_few_but_the_first_and_the_last_are_there(
    ticking: list[float], capsys: pytest.CaptureFixture[str]
):
    with Reporter(ProgressLines()).task("condense", total=12, done=2, unit="step") as task:
        for step in range(10):
            ticking[0] += 3
            task.step(f"loss {step}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "condense: step 3/12, 0:27 left, loss 0"
    assert lines[-1] == "condense: step 12/12, 0:00 left, loss 9"
    assert [line.partition(",")[0] for line in lines] == [
        f"condense: step {n}/12" for n in (3, 7, 11, 12)
    ]


def test_what_an_earlier_process_did_does_not_make_this_one_look_fast(
    ticking: list[float], capsys: pytest.CaptureFixture[str]
):
    with Reporter(ProgressLines()).task("condense", total=110, done=100, unit="step") as task:
        ticking[0] += 60
        task.step("")
    assert "9:00 left" in capsys.readouterr().err


def test_a_slow_first_step_counts_only_until_there_is_a_second(
    ticking: list[float], capsys: pytest.CaptureFixture[str]
):
    with Reporter(ProgressLines()).task("condense", total=10, done=0, unit="step") as task:
        for seconds in (60, 15, 25):
            ticking[0] += seconds
            task.step("")
    assert "1/10, 9:00 left" in (lines := capsys.readouterr().err)
    assert "2/10, 2:00 left" in lines
    assert "3/10, 2:20 left" in lines


def test_steps_that_end_together_are_not_taken_for_quick_ones(
    ticking: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(progress, "_SECONDS", 0)
    with Reporter(ProgressLines()).task(
        "evaluate", total=10, done=0, unit="network", concurrent=2
    ) as task:
        for seconds in (60, 1, 39, 1):
            ticking[0] += seconds
            task.step("")
    lines = capsys.readouterr().err
    assert "1/10, 9:00 left" in lines
    assert "2/10, 4:04 left" in lines  # 61 s for two
    assert "3/10, 4:33 left" in lines  # from here on without what was made ready at first
    assert "4/10, 2:00 left" in lines


def test_a_budget_that_ends_earlier_is_what_is_left(
    ticking: list[float], capsys: pytest.CaptureFixture[str]
):
    with Reporter(ProgressLines()).task("condense", total=100, done=0, unit="step") as task:
        ticking[0] += 60
        task.step("", left=30)
    assert "0:30 left" in capsys.readouterr().err


def test_a_terminal_gets_a_line_that_is_redrawn(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Reporter(listener()).task("evaluate", total=2, done=1, unit="network") as task:
        task.step("size 1: 80.0 %")
    drawn = terminal.getvalue().split("\r")[-1]
    assert "evaluate 100%" in drawn
    assert "2/2 networks, 0:00 left, size 1: 80.0 %" in drawn


def test_a_clock_reads_hours_only_when_there_are_some():
    assert [clock(x) for x in (0, 65, 3599.6, 7384)] == ["0:00", "1:05", "1:00:00", "2:03:04"]


def test_a_listener_gets_the_steps_between_begin_and_end():
    events: list[Event] = []
    reporter = Reporter(events.append)
    with contextlib.suppress(ZeroDivisionError), reporter.task("select", total=3) as task:
        task.step("loss 1")
        reporter.notice("A sentence.")
        task.step("loss 2", left=4)
        raise ZeroDivisionError
    assert [(event.kind, event.done) for event in events] == [
        ("begin", 0),
        ("step", 1),
        ("notice", 0),
        ("step", 2),
        ("end", 2),
    ]
    assert str(events[2]) == "A sentence."
    assert str(events[3]) == "select: step 2/3, 0:00 left, loss 2"


def test_without_a_terminal_nothing_is_printed_and_notices_are_logged(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "condensery")
    reporter = Reporter()
    with reporter.task("select", total=1) as task:
        task.step("loss 1")
    reporter.notice("A sentence.")
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == ["A sentence."]


def test_the_kernel_of_a_notebook_gets_bars(monkeypatch: pytest.MonkeyPatch):
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    assert not isinstance(default_listener(), ProgressBars)
    kernel = types.SimpleNamespace(get_ipython=lambda: shell, version_info=(9,))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ipywidgets may be missing
        assert isinstance(default_listener(), ProgressBars)
