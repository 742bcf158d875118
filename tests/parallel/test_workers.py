"""Tasks on several threads give what they give one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import pytest
import torch

from condensery.parallel import as_completed, check_cancelled, map_threads, overlap, workers

_T = TypeVar("_T")


@pytest.fixture(params=[1, 3])
def count(request: pytest.FixtureRequest, threads: Callable[[int], None]) -> int:
    threads(request.param)
    return request.param


def completed(function: Callable[[int], _T], numbers: Iterable[int]) -> Generator[tuple[int, _T]]:
    """``as_completed`` of tasks of one stage."""

    def task(number: int) -> Generator[tuple[int, _T]]:
        yield number, function(number)

    return as_completed(task(number) for number in numbers)


def test_results_come_in_the_order_of_the_tasks(count: int):
    def slow_at_first(number: int, word: str) -> str:
        threading.Event().wait(0.05 if number == 0 else 0)
        return word * number

    assert list(map_threads(slow_at_first, range(5), "abcde")) == ["", "b", "cc", "ddd", "eeee"]


def test_tasks_run_at_the_same_time_on_as_many_threads_as_torch_has(count: int):
    together = threading.Barrier(count)

    def meet(_: int) -> int:
        together.wait(timeout=10)
        return threading.get_ident()

    found = set(map_threads(meet, range(count)))
    assert len(found) == count
    assert threading.get_ident() in found


def test_each_task_computes_with_one_thread_and_the_caller_keeps_his(count: int):
    several = range(4)
    assert set(map_threads(lambda _: torch.get_num_threads(), several)) == {1}
    assert torch.get_num_threads() == count


def test_a_single_task_has_all_threads(count: int):
    assert list(map_threads(lambda _: torch.get_num_threads(), [0])) == [count]


def test_no_task_is_no_result(count: int):
    assert list(map_threads(lambda _: 0, [])) == []


def test_tasks_build_graphs_where_the_caller_does(each, count: int):
    leaf = torch.ones(1, requires_grad=True)
    for graphs in each([True, False]):
        with torch.set_grad_enabled(graphs):
            found = list(map_threads(lambda n: (leaf * n).requires_grad, range(3)))
        assert found == [graphs] * 3


def test_a_result_is_let_go_when_the_next_is_asked_for(count: int):
    class Result:
        pass

    results = map_threads(lambda _: Result(), range(6))
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
        found.extend(map_threads(fails_at_two, range(6)))
    assert found == [0, 1]
    assert list(map_threads(abs, [-1, -2])) == [1, 2]


def test_a_task_may_itself_have_tasks(count: int):
    def sums(number: int) -> int:
        return sum(map_threads(int, range(number)))

    assert list(map_threads(sums, range(5))) == [0, 0, 1, 3, 6]


def test_tasks_see_the_number_of_chunks_that_was_given(each, count: int):
    for chunks in each([1, 2, 5]):
        found = set(
            map_threads(lambda _: (workers(), torch.get_num_threads()), range(4), chunks=chunks)
        )
        assert found == ({(chunks, 1)} if count > 1 else {(1, 1)})


def test_workers_that_are_left_over_take_chunks_of_the_tasks(count: int):
    def last_finds_all_free(number: int) -> bool:
        return number < 3 or any(_all_free(count) for _ in range(200))

    assert all(map_threads(last_finds_all_free, range(4), chunks=count))


def test_workers_that_become_free_take_tasks(count: int):
    begun, together = threading.Event(), threading.Barrier(count)

    def last_meet(number: int) -> None:
        begun.set()
        if number < 100:
            threading.Event().wait(0.002)
        else:
            together.wait(timeout=10)

    with overlap(lambda: begun.wait(timeout=0 if count == 1 else 10)):  # all but one at first
        list(map_threads(last_meet, range(100 + count)))


def test_arguments_of_unequal_number_are_refused(count: int):
    with pytest.raises(ValueError, match="zip"):
        list(map_threads(max, [1, 2], [3]))


def test_a_background_function_runs_while_the_body_runs_if_there_is_a_second_worker(
    count: int,
):
    meet = threading.Barrier(2)
    order: list[str] = []

    def other() -> None:
        if count > 1:
            meet.wait(timeout=10)
        order.append("background")

    with overlap(other):
        if count > 1:
            meet.wait(timeout=10)
            while not order:
                threading.Event().wait(0.001)
        order.append("body")
    assert order == (["background", "body"] if count > 1 else ["body", "background"])


def test_there_may_be_no_background_function(count: int):
    with overlap(None):
        assert torch.get_num_threads() == count


def test_the_body_has_chunks_for_all_workers_and_the_background_for_half_of_them(
    count: int,
):
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((workers(), torch.get_num_threads()))

    with overlap(look):
        pass
    with overlap(lambda: None):
        look()
    look()
    assert seen == [(max(1, count // 2), 1), (count, 1), (count, count)]


@pytest.mark.parametrize("graphs", [True, False])
def test_the_background_builds_graphs_where_the_caller_does(count: int, graphs: bool):
    leaf = torch.ones(1, requires_grad=True)
    found: list[bool] = []
    with torch.set_grad_enabled(graphs), overlap(lambda: found.append((leaf * 2).requires_grad)):
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
            list(map_threads(task, range(5)))

    with overlap(several):
        several()
    assert most[0] == count


def test_body_or_background_leaves_its_workers_to_the_other_when_it_ends(count: int):
    together, ready = threading.Barrier(count), threading.Event()

    def all_at_once() -> None:
        assert count == 1 or ready.wait(timeout=10)
        list(map_threads(lambda _: together.wait(timeout=10), range(count)))

    with overlap(all_at_once):  # the body is over
        ready.set()
    with overlap(ready.clear):  # what is background is over
        while count > 1 and ready.is_set():
            threading.Event().wait(0.001)
        for _ in range(1000):
            if count == 1 or _all_free(count):
                break
            threading.Event().wait(0.001)
        list(map_threads(lambda _: together.wait(timeout=10), range(count)))


def _all_free(count: int) -> bool:
    met = threading.Barrier(count)

    def meet(_: int) -> bool:
        try:
            met.wait(timeout=0.05)
        except threading.BrokenBarrierError:
            return False
        return True

    return all(map_threads(meet, range(count)))


def test_a_failure_in_the_background_is_raised_after_the_body_and_the_next_call_works(count: int):
    done: list[int] = []

    def fails() -> None:
        raise ValueError("background")

    with pytest.raises(ValueError, match="background"), overlap(fails):
        done.append(1)
    assert done == [1]
    assert torch.get_num_threads() == count
    assert list(map_threads(abs, [-1, -2])) == [1, 2]


def test_a_failure_of_the_body_is_raised_when_the_background_has_ended(count: int):
    begun, over = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        threading.Event().wait(0.05)
        over.set()

    def fail() -> None:
        if count > 1:
            assert begun.wait(timeout=10)
        raise ValueError("body")

    with pytest.raises(ValueError, match="body"), overlap(slow):
        fail()
    assert over.is_set() == (count > 1)


def test_long_tasks_run_at_the_same_time_each_with_one_thread_and_one_chunk(count: int):
    together = threading.Barrier(count)

    def meet(_: int) -> tuple[int, int, int]:
        together.wait(timeout=10)
        return threading.get_ident(), workers(), torch.get_num_threads()

    found = [seen for _, seen in completed(meet, range(count))]
    assert len({thread for thread, *_ in found}) == count
    assert {tuple(own) for _, *own in found} == {(1, 1)}
    assert threading.get_ident() not in {thread for thread, *_ in found}
    assert torch.get_num_threads() == count


def test_results_of_long_tasks_come_as_they_end(count: int):
    first = threading.Event()

    def task(number: int) -> int:
        if number == 0 and count > 1:
            assert first.wait(timeout=10)
        return 10 * number

    found: list[tuple[int, int]] = []
    for each in completed(task, range(4)):
        found.append(each)
        if len(found) == 3 or count == 1:
            first.set()
    assert sorted(found) == [(n, 10 * n) for n in range(4)]
    assert found[-1][0] == (0 if count > 1 else 3)


def test_no_long_task_begins_before_a_result_is_asked_for(count: int):
    begun: list[int] = []
    results = completed(begun.append, range(9))
    assert begun == []
    next(results)
    results.close()
    assert len(begun) <= count + 1  # a thread that is done may take one more before it is stopped


class Endless:
    """Tasks that never end but number 0, and which of them were cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []

    def __call__(self, number: int) -> int:
        while number:
            try:
                check_cancelled()
            except Exception:
                self.cancelled.append(number)
                raise
            threading.Event().wait(0.001)
        return number


def test_long_tasks_are_cancelled_when_no_more_results_are_wanted(count: int):
    endless = Endless()
    results = completed(endless, range(9))
    assert next(results) == (0, 0)
    results.close()
    assert sorted(endless.cancelled) == list(range(1, count))
    together = threading.Barrier(count)

    def meet(_: int) -> None:
        together.wait(timeout=10)
        check_cancelled()

    for _ in range(20):  # on every thread, for none of these was cancelled
        assert list(map_threads(meet, range(count))) == [None] * count
    assert list(completed(abs, [-1])) == [(-1, 1)]


def test_long_tasks_are_cancelled_when_another_one_fails(count: int):
    endless, begun = Endless(), threading.Event()

    def fails_once_others_work(number: int) -> int:
        if number == 0 and (count == 1 or begun.wait(timeout=10)):
            raise ValueError("one")
        begun.set()
        return endless(number)

    with pytest.raises(ValueError, match="one"):
        list(completed(fails_once_others_work, range(9)))
    assert sorted(endless.cancelled) == list(range(1, count))


def test_where_no_worker_is_free_the_calling_thread_does_the_long_tasks(count: int):
    def task(number: int) -> list[int]:
        return sorted(found for _, found in completed(abs, range(number)))

    assert list(map_threads(task, range(4))) == [[], [0], [0, 1], [0, 1, 2]]


class Staged:
    """Tasks of three stages: which were begun, which are over, how many were open at most."""

    def __init__(self) -> None:
        self.begun: set[int] = set()
        self.over: list[int] = []
        self.most = 0

    def __call__(self, number: int) -> Generator[tuple[int, int, int]]:
        self.begun.add(number)
        try:
            for stage in range(3):
                self.most = max(self.most, len(self.begun) - len(self.over))
                yield number, stage, workers()
        finally:
            self.over.append(number)


def test_stages_of_a_task_come_in_order_and_few_tasks_are_open(count: int):
    staged = Staged()
    found = list(as_completed(staged(number) for number in range(5)))
    for number in range(5):
        assert [own for own in found if own[0] == number] == [(number, n, 1) for n in range(3)]
    assert sorted(staged.over) == list(range(5))
    assert staged.most == count


def test_tasks_are_closed_when_no_more_results_are_wanted(count: int):
    staged = Staged()
    found = as_completed(staged(number) for number in range(5))
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
        list(as_completed([failing(), *(staged(number) for number in range(5))]))
    assert sorted(staged.over) == sorted(staged.begun)
    assert len(staged.begun) <= count


def test_results_that_are_there_come_before_a_failure(threads: Callable[[int], None]):
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

    found = as_completed([first(), fails(), second()])
    told = [next(found)]
    assert all(other.wait(timeout=10) for other in rest)
    threading.Event().wait(0.05)  # both are over, and nobody has asked
    with pytest.raises(ValueError, match="one"):
        told.extend(found)
    assert sorted(told) == ["first", "second"]


FORKED = """
import os, torch
from condensery.parallel import map_threads
torch.set_num_threads(2)
assert list(map_threads(abs, [-1, -2])) == [1, 2]
child = os.fork()
if child == 0:
    os._exit(list(map_threads(abs, [-3, -4])) != [3, 4])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about processes that fork")
def test_a_forked_child_gets_threads_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", FORKED], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "0"
