"""Many threads hold the lock shared, or one holds it exclusively."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import Condition

import pytest

from condensery.parallel import exclusive_lock, shared_lock


def in_thread(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


def test_nothing_computes_or_replaces_while_one_thread_replaces():
    order: list[str] = []

    def compute() -> None:
        with shared_lock:
            order.append("computed")

    def replace() -> None:
        with exclusive_lock():
            order.append("replaced")

    with exclusive_lock(), exclusive_lock(), shared_lock:
        others = [in_thread(compute), in_thread(replace)]
        threading.Event().wait(0.05)
        order.append("done")
    for other in others:
        other.join(timeout=10)
    assert order[0] == "done"
    assert sorted(order[1:]) == ["computed", "replaced"]


def test_a_thread_replaces_when_all_have_computed():
    together, order = threading.Barrier(3), list[str]()

    def compute() -> None:
        with shared_lock:  # two at once
            together.wait(timeout=10)
            threading.Event().wait(0.05)
            order.append("computed")

    others = [in_thread(compute), in_thread(compute)]
    together.wait(timeout=10)
    with exclusive_lock():
        order.append("replaced")
    for other in others:
        other.join(timeout=10)
    assert order == ["computed", "computed", "replaced"]


def test_a_waiting_exclusive_holder_comes_before_new_shared_ones():
    order, held, asked = list[str](), threading.Event(), threading.Event()

    def compute(name: str) -> None:
        with shared_lock:
            order.append(name)
            held.set()
            asked.wait(timeout=10)

    def replace() -> None:
        with exclusive_lock():
            order.append("replaced")

    first = in_thread(lambda: compute("first"))
    assert held.wait(timeout=10)
    others = [first, in_thread(replace)]
    threading.Event().wait(0.05)
    others.append(in_thread(lambda: compute("second")))
    threading.Event().wait(0.05)
    asked.set()
    for other in others:
        other.join(timeout=10)
    assert order == ["first", "replaced", "second"]


def test_an_interrupted_wait_blocks_no_other_thread(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Condition, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), exclusive_lock():
            pass

    def compute() -> None:
        with shared_lock:
            pass

    other = in_thread(compute)
    other.join(timeout=10)
    assert not other.is_alive()


def test_a_failure_releases_the_lock():
    with pytest.raises(ValueError, match="one"), exclusive_lock():
        raise ValueError("one")
    with pytest.raises(ValueError, match="many"), shared_lock:
        raise ValueError("many")

    def replace() -> None:
        with exclusive_lock():
            pass

    other = in_thread(replace)
    other.join(timeout=10)
    assert not other.is_alive()
