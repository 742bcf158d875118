"""Many compute at once, or one replaces what they share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import Condition

import pytest

from condensery.machine import beside_others, undisturbed


def meanwhile(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


def test_nobody_computes_or_replaces_while_one_replaces():
    order: list[str] = []

    def compute() -> None:
        with beside_others:
            order.append("computed")

    def replace() -> None:
        with undisturbed():
            order.append("replaced")

    with undisturbed(), undisturbed(), beside_others:
        others = [meanwhile(compute), meanwhile(replace)]
        threading.Event().wait(0.05)
        order.append("done")
    for other in others:
        other.join(timeout=10)
    assert order[0] == "done"
    assert sorted(order[1:]) == ["computed", "replaced"]


def test_one_replaces_when_all_have_computed():
    together, order = threading.Barrier(3), list[str]()

    def compute() -> None:
        with beside_others:  # two at once
            together.wait(timeout=10)
            threading.Event().wait(0.05)
            order.append("computed")

    others = [meanwhile(compute), meanwhile(compute)]
    together.wait(timeout=10)
    with undisturbed():
        order.append("replaced")
    for other in others:
        other.join(timeout=10)
    assert order == ["computed", "computed", "replaced"]


def test_whoever_waits_to_be_alone_comes_before_others():
    order, held, asked = list[str](), threading.Event(), threading.Event()

    def compute(name: str) -> None:
        with beside_others:
            order.append(name)
            held.set()
            asked.wait(timeout=10)

    def replace() -> None:
        with undisturbed():
            order.append("replaced")

    first = meanwhile(lambda: compute("first"))
    assert held.wait(timeout=10)
    others = [first, meanwhile(replace)]
    threading.Event().wait(0.05)
    others.append(meanwhile(lambda: compute("second")))
    threading.Event().wait(0.05)
    asked.set()
    for other in others:
        other.join(timeout=10)
    assert order == ["first", "replaced", "second"]


def test_a_wait_that_is_interrupted_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Condition, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), undisturbed():
            pass

    def compute() -> None:
        with beside_others:
            pass

    other = meanwhile(compute)
    other.join(timeout=10)
    assert not other.is_alive()


def test_a_failure_lets_others_go_on():
    with pytest.raises(ValueError, match="one"), undisturbed():
        raise ValueError("one")
    with pytest.raises(ValueError, match="many"), beside_others:
        raise ValueError("many")

    def replace() -> None:
        with undisturbed():
            pass

    other = meanwhile(replace)
    other.join(timeout=10)
    assert not other.is_alive()
