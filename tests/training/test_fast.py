from __future__ import annotations

import logging

import pytest

from condensery.training.fast import Fast


def broken(number: int) -> int:
    raise RuntimeError(f"no compiler for {number}")


def test_the_fast_function_answers_while_it_works(caplog: pytest.LogCaptureFixture):
    fast = Fast(lambda number: number + 1, broken, what="training")

    assert [fast(1), fast(2)] == [2, 3]
    assert caplog.text == ""


def test_from_its_first_failure_on_the_slow_one_answers_and_one_warning_says_why(
    caplog: pytest.LogCaptureFixture,
):
    asked: list[int] = []

    def failing(number: int) -> int:
        asked.append(number)
        return broken(number)

    fast = Fast(failing, lambda number: -number, what="testing")

    with caplog.at_level(logging.WARNING):
        assert [fast(1), fast(2), fast(3)] == [-1, -2, -3]
    assert asked == [1]
    assert caplog.text.count("no compiler for 1") == 1
    assert "testing goes on without it" in caplog.text


def test_a_mistake_that_both_refuse_is_raised_by_the_slow_one_without_a_warning(
    caplog: pytest.LogCaptureFixture,
):
    def clear(number: int) -> int:
        raise ValueError(f"{number} is a mistake")

    with pytest.raises(ValueError, match="5 is a mistake"):
        Fast(broken, clear, what="training")(5)
    assert caplog.text == ""
