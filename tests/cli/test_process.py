"""The process around a command: streams that cannot take what is printed, and signals."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading

import pytest

from condensery.cli import process
from condensery.cli.process import OutputError, Signals, program, streams
from condensery.interrupts import raise_if_interrupted


def stream(encoding: str, errors: str = "strict") -> tuple[io.BytesIO, io.TextIOWrapper]:
    raw = io.BytesIO()
    return raw, io.TextIOWrapper(raw, encoding=encoding, errors=errors, write_through=True)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "83.1 +- 0.4, z\\xeb, \\u306d\\u3053, \\udcff"),
        ("cp1252", "83.1 ± 0.4, zë, \\u306d\\u3053, \\udcff"),
        ("iso8859-5", "83.1 +- 0.4, z\\xeb, \\u306d\\u3053, \\udcff"),
        ("shift_jis", "83.1 ± 0.4, z\\xeb, ねこ, \\udcff"),
        ("utf-8", "83.1 ± 0.4, zë, ねこ, \\udcff"),
    ],
)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_an_encoding_lacks_is_written_in_another_way(
    monkeypatch: pytest.MonkeyPatch, name: str, encoding: str, errors: str, expected: str
):
    raw, text = stream(encoding, errors)
    monkeypatch.setattr(sys, name, text)
    with streams():
        print("83.1 ± 0.4, zë, ねこ, \udcff", end="", file=getattr(sys, name))
    assert raw.getvalue() == expected.encode(encoding)
    assert getattr(sys, name) is text
    assert text.errors == errors


def test_a_choice_of_the_user_about_errors_stays(monkeypatch: pytest.MonkeyPatch):
    raw, text = stream("ascii", "xmlcharrefreplace")
    monkeypatch.setattr(sys, "stdout", text)
    with streams():
        print("±", end="")
    assert raw.getvalue() == b"&#177;"


def closed() -> io.TextIOWrapper:
    _, text = stream("utf-8")
    text.close()
    return text


@pytest.mark.parametrize("make", [lambda: None, closed], ids=["none", "closed"])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_is_not_there_takes_everything(monkeypatch, name: str, make):
    monkeypatch.setattr(sys, name, before := make())
    with streams():
        print("text", file=getattr(sys, name), flush=True)
        assert not getattr(sys, name).isatty()
    assert getattr(sys, name) is before


class Broken(io.StringIO):
    """A stream whose every write fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


def test_a_standard_error_that_fails_costs_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", Broken(errno.EIO))
    with streams():
        print("progress", file=sys.stderr)
        print("more", file=sys.stderr)


@pytest.mark.parametrize(("number", "gone"), [(errno.EPIPE, True), (errno.ENOSPC, False)])
def test_a_standard_output_that_fails_is_told_from_other_files(
    monkeypatch: pytest.MonkeyPatch, number: int, gone: bool
):
    monkeypatch.setattr(sys, "stdout", Broken(number))
    with streams(), pytest.raises(OutputError, match=os.strerror(number)) as caught:
        print("table")
    assert caught.value.reader_is_gone == gone


@pytest.mark.parametrize(
    ("argv0", "name"),
    [
        ("/usr/bin/condensery", "condensery"),
        ("/lib/condensery/__main__.py", "python -m condensery"),
        ("/lib/condensery/cli/main.py", "condensery"),
    ],
)
def test_usage_lines_name_what_was_typed(argv0: str, name: str):
    assert program(argv0) == name


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_interrupts_and_decides_the_exit_code(name: str):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with Signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert signals.code == 128 + number
        assert signals.words == ("interrupted" if name == "SIGINT" else f"stopped by {name}")
    assert signal.getsignal(number) == before


def test_the_same_request_sent_twice_does_not_disturb_the_checkpoint(ticking: list[float]):
    with Signals():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        ticking[0] += 0.5
        signal.raise_signal(signal.SIGTERM)  # `timeout`, to the group; raises nothing


def test_a_later_signal_ends_the_process_at_once(ticking: list[float]):
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        with Signals():
            try:
                signal.raise_signal(signal.SIGTERM)
            except KeyboardInterrupt:
                ticking[0] += 1.5
                signal.raise_signal(signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_signals_of_others_and_ignored_ones_stay(monkeypatch: pytest.MonkeyPatch):
    heard: list[int] = []
    own = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with Signals() as signals:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
        assert heard == [signal.SIGTERM]
        assert signals.received is None
    finally:
        signal.signal(signal.SIGTERM, own)
        signal.signal(signal.SIGHUP, ignored)


def test_in_another_thread_no_signal_is_taken():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with Signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_signal_whose_exception_got_lost_is_asked_for():
    with Signals():
        raise_if_interrupted()
        try:  # noqa: SIM105 - as a finaliser does
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            pass
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
    raise_if_interrupted()
