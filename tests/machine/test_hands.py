"""Tasks side by side and aside are the same as one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator

import pytest
import torch

from condensery.machine import (
    as_completed,
    as_they_come,
    aside,
    go_on,
    side_by_side,
)
from condensery.machine import threads as hands


@pytest.fixture(params=[1, 2, 3])
def count(request: pytest.FixtureRequest, threads: Callable[[int], None]) -> int:
    threads(request.param)
    return request.param


def test_results_come_in_the_order_of_the_tasks(count: int):
    def slow_at_first(number: int, word: str) -> str:
        threading.Event().wait(0.05 if number == 0 else 0)
        return word * number

    assert list(side_by_side(slow_at_first, range(5), "abcde")) == ["", "b", "cc", "ddd", "eeee"]


def test_tasks_run_at_the_same_time_on_as_many_threads_as_torch_has(count: int):
    together = threading.Barrier(count)

    def meet(_: int) -> int:
        together.wait(timeout=10)
        return threading.get_ident()

    found = set(side_by_side(meet, range(count)))
    assert len(found) == count
    assert threading.get_ident() in found


def test_each_task_computes_with_one_thread_and_the_caller_keeps_his(count: int):
    several = range(4)
    assert set(side_by_side(lambda _: torch.get_num_threads(), several)) == {1}
    assert torch.get_num_threads() == count


def test_a_single_task_has_all_threads(count: int):
    assert list(side_by_side(lambda _: torch.get_num_threads(), [0])) == [count]


def test_no_task_is_no_result(count: int):
    assert list(side_by_side(lambda _: 0, [])) == []


@pytest.mark.parametrize("graphs", [True, False])
def test_tasks_build_graphs_where_the_caller_does(count: int, graphs: bool):
    leaf = torch.ones(1, requires_grad=True)
    with torch.set_grad_enabled(graphs):
        found = list(side_by_side(lambda n: (leaf * n).requires_grad, range(3)))
    assert found == [graphs] * 3


def test_a_result_is_let_go_when_the_next_is_asked_for(count: int):
    class Result:
        pass

    results = side_by_side(lambda _: Result(), range(6))
    first = weakref.ref(next(results))
    next(results)
    assert first() is None


def test_a_failure_is_raised_in_its_place_and_the_next_call_works(count: int):
    def fails_at_two(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    found: list[int] = []
    with pytest.raises(ValueError, match="two"):
        found.extend(side_by_side(fails_at_two, range(6)))
    assert found == [0, 1]
    assert list(side_by_side(abs, [-1, -2])) == [1, 2]


def test_a_task_may_itself_have_tasks(count: int):
    def sums(number: int) -> int:
        return sum(side_by_side(int, range(number)))

    assert list(side_by_side(sums, range(5))) == [0, 0, 1, 3, 6]


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_tasks_are_cut_as_they_are_asked_to_be(count: int, cut: int):
    found = set(side_by_side(lambda _: (hands(), torch.get_num_threads()), range(4), cut=cut))
    assert found == ({(cut, 1)} if count > 1 else {(1, 1)})


def test_hands_that_are_left_over_take_tasks_of_the_tasks(count: int):
    def last_finds_all_free(number: int) -> bool:
        return number < 3 or any(_all_free(count) for _ in range(200))

    assert all(side_by_side(last_finds_all_free, range(4), cut=count))


def test_hands_that_become_free_are_called_for(count: int):
    begun, together = threading.Event(), threading.Barrier(count)

    def last_meet(number: int) -> None:
        begun.set()
        if number < 100:
            threading.Event().wait(0.002)
        else:
            together.wait(timeout=10)

    with aside(lambda: begun.wait(timeout=0 if count == 1 else 10)):  # all but one at first
        list(side_by_side(last_meet, range(100 + count)))


def test_arguments_of_unequal_number_are_refused(count: int):
    with pytest.raises(ValueError, match="zip"):
        list(side_by_side(max, [1, 2], [3]))


def test_what_is_done_aside_is_done_while_the_body_runs_if_there_is_a_second_thread(count: int):
    meet = threading.Barrier(2)
    order: list[str] = []

    def other() -> None:
        if count > 1:
            meet.wait(timeout=10)
        order.append("aside")

    with aside(other):
        if count > 1:
            meet.wait(timeout=10)
            while not order:
                threading.Event().wait(0.001)
        order.append("body")
    assert order == (["aside", "body"] if count > 1 else ["body", "aside"])


def test_nothing_may_be_done_aside(count: int):
    with aside(None):
        assert torch.get_num_threads() == count


def test_work_is_cut_for_all_aside_for_half_and_what_is_not_cut_computes_with_one_thread(
    count: int,
):
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((hands(), torch.get_num_threads()))

    with aside(look):
        pass
    with aside(lambda: None):
        look()
    look()
    assert seen == [(max(1, count // 2), 1), (count, 1), (count, count)]


@pytest.mark.parametrize("graphs", [True, False])
def test_aside_graphs_are_built_where_the_caller_does(count: int, graphs: bool):
    leaf = torch.ones(1, requires_grad=True)
    found: list[bool] = []
    with torch.set_grad_enabled(graphs), aside(lambda: found.append((leaf * 2).requires_grad)):
        pass
    assert found == [graphs]


def test_no_more_compute_at_once_than_there_are_threads(count: int):
    lock, now, most = threading.Lock(), [0], [0]

    def task(_: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.002)
        with lock:
            now[0] -= 1

    def several() -> None:
        for _ in range(4):
            list(side_by_side(task, range(5)))

    with aside(several):
        several()
    assert most[0] == count


def test_whoever_is_ready_first_leaves_his_thread_to_the_other(count: int):
    together, ready = threading.Barrier(count), threading.Event()

    def all_at_once() -> None:
        assert count == 1 or ready.wait(timeout=10)
        list(side_by_side(lambda _: together.wait(timeout=10), range(count)))

    with aside(all_at_once):  # the body is over
        ready.set()
    with aside(ready.clear):  # what is aside is over
        while count > 1 and ready.is_set():
            threading.Event().wait(0.001)
        for _ in range(1000):
            if count == 1 or _all_free(count):
                break
            threading.Event().wait(0.001)
        list(side_by_side(lambda _: together.wait(timeout=10), range(count)))


def _all_free(count: int) -> bool:
    met = threading.Barrier(count)

    def meet(_: int) -> bool:
        try:
            met.wait(timeout=0.05)
        except threading.BrokenBarrierError:
            return False
        return True

    return all(side_by_side(meet, range(count)))


def test_a_failure_aside_is_raised_after_the_body_and_the_next_call_works(count: int):
    done: list[int] = []

    def fails() -> None:
        raise ValueError("aside")

    with pytest.raises(ValueError, match="aside"), aside(fails):
        done.append(1)
    assert done == [1]
    assert torch.get_num_threads() == count
    assert list(side_by_side(abs, [-1, -2])) == [1, 2]


def test_a_failure_of_the_body_is_raised_when_nothing_runs_any_more(count: int):
    begun, over = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        threading.Event().wait(0.05)
        over.set()

    def fail() -> None:
        if count > 1:
            assert begun.wait(timeout=10)
        raise ValueError("body")

    with pytest.raises(ValueError, match="body"), aside(slow):
        fail()
    assert over.is_set() == (count > 1)


def test_long_tasks_run_at_the_same_time_each_with_one_thread_and_uncut(count: int):
    together = threading.Barrier(count)

    def meet(_: int) -> tuple[int, int, int]:
        together.wait(timeout=10)
        return threading.get_ident(), hands(), torch.get_num_threads()

    found = [seen for _, seen in as_completed(meet, range(count))]
    assert len({thread for thread, *_ in found}) == count
    assert {tuple(own) for _, *own in found} == {(1, 1)}
    assert threading.get_ident() not in {thread for thread, *_ in found}
    assert torch.get_num_threads() == count


def test_long_tasks_are_told_of_as_they_end(count: int):
    first = threading.Event()

    def task(number: int) -> int:
        if number == 0 and count > 1:
            assert first.wait(timeout=10)
        return 10 * number

    found: list[tuple[int, int]] = []
    for each in as_completed(task, range(4)):
        found.append(each)
        if len(found) == 3 or count == 1:
            first.set()
    assert sorted(found) == [(n, 10 * n) for n in range(4)]
    assert found[-1][0] == (0 if count > 1 else 3)


def test_no_long_task_is_begun_that_nobody_asked_for(count: int):
    begun: list[int] = []
    results = as_completed(begun.append, range(9))
    assert begun == []
    next(results)
    assert len(begun) <= count
    results.close()
    assert len(begun) <= count


class Endless:
    """Long tasks but the first, and who of them was given up."""

    def __init__(self) -> None:
        self.given_up: list[int] = []

    def __call__(self, number: int) -> int:
        while number:
            try:
                go_on()
            except Exception:
                self.given_up.append(number)
                raise
            threading.Event().wait(0.001)
        return number


def test_long_tasks_that_nobody_waits_for_are_given_up(count: int):
    endless = Endless()
    results = as_completed(endless, range(9))
    assert next(results) == (0, 0)
    results.close()
    assert sorted(endless.given_up) == list(range(1, count))
    together = threading.Barrier(count)

    def meet(_: int) -> None:
        together.wait(timeout=10)
        go_on()

    for _ in range(20):  # on every thread, for none of these was given up
        assert list(side_by_side(meet, range(count))) == [None] * count
    assert list(as_completed(abs, [-1])) == [(-1, 1)]


def test_long_tasks_beside_one_that_failed_are_given_up(count: int):
    endless, begun = Endless(), threading.Event()

    def fails_once_others_work(number: int) -> int:
        if number == 0 and (count == 1 or begun.wait(timeout=10)):
            raise ValueError("one")
        begun.set()
        return endless(number)

    with pytest.raises(ValueError, match="one"):
        list(as_completed(fails_once_others_work, range(9)))
    assert sorted(endless.given_up) == list(range(1, count))


def test_where_no_hand_is_free_long_tasks_are_done_by_whoever_asks(count: int):
    def task(number: int) -> list[int]:
        return sorted(found for _, found in as_completed(abs, range(number)))

    assert list(side_by_side(task, range(4))) == [[], [0], [0, 1], [0, 1, 2]]


class Staged:
    """Tasks of three stages each: which were begun, which are over, who was at it together."""

    def __init__(self) -> None:
        self.begun: set[int] = set()
        self.over: list[int] = []
        self.most = 0

    def __call__(self, number: int) -> Generator[tuple[int, int, int]]:
        self.begun.add(number)
        try:
            for stage in range(3):
                self.most = max(self.most, len(self.begun) - len(self.over))
                yield number, stage, hands()
        finally:
            self.over.append(number)


def test_stages_of_a_task_come_in_order_and_few_tasks_are_open(count: int):
    staged = Staged()
    found = list(as_they_come(staged(number) for number in range(5)))
    for number in range(5):
        assert [own for own in found if own[0] == number] == [(number, n, 1) for n in range(3)]
    assert sorted(staged.over) == list(range(5))
    assert staged.most == count


def test_tasks_are_closed_when_nobody_asks_for_more(count: int):
    staged = Staged()
    found = as_they_come(staged(number) for number in range(5))
    next(found)
    assert staged.over == []
    found.close()
    assert sorted(staged.over) == sorted(staged.begun)
    assert len(staged.begun) <= count


def test_a_task_is_closed_when_another_fails(count: int):
    staged = Staged()

    def failing() -> Generator[tuple[int, int, int]]:
        yield 9, 0, 0
        raise ValueError("second stage")

    with pytest.raises(ValueError, match="second stage"):
        list(as_they_come([failing(), *(staged(number) for number in range(5))]))
    assert sorted(staged.over) == sorted(staged.begun)
    assert len(staged.begun) <= count


def test_what_has_ended_is_told_of_before_a_failure(threads: Callable[[int], None]):
    threads(3)
    rest = [threading.Event(), threading.Event()]

    def first() -> Generator[str]:
        yield "first"

    def fails() -> Generator[str]:
        rest[0].set()
        raise ValueError("one")
        yield

    def second() -> Generator[str]:
        rest[1].set()
        yield "second"

    found = as_they_come([first(), fails(), second()])
    told = [next(found)]
    assert all(other.wait(timeout=10) for other in rest)
    threading.Event().wait(0.05)  # both are over, and nobody has asked
    with pytest.raises(ValueError, match="one"):
        told.extend(found)
    assert sorted(told) == ["first", "second"]


FORKED = """
import os, torch
from condensery.machine import side_by_side
torch.set_num_threads(2)
assert list(side_by_side(abs, [-1, -2])) == [1, 2]
child = os.fork()
if child == 0:
    os._exit(list(side_by_side(abs, [-3, -4])) != [3, 4])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about processes that fork")
def test_a_forked_child_gets_threads_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", FORKED], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "0"
