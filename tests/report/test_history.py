from __future__ import annotations

import math

from condensery.report.history import ChoiceSpan, distances_of, history_of


def test_neighbouring_iterations_of_one_choice_make_one_span(metrics):
    assert history_of(metrics).spans == (
        ChoiceSpan(first=0, last=0, subset=None, frozen=(0, 0)),
        ChoiceSpan(first=1, last=2, subset=(2, 2), frozen=(0, 0)),
        ChoiceSpan(first=3, last=3, subset=(3, 3), frozen=(2, 2)),
        ChoiceSpan(first=4, last=4, subset=(1, 3), frozen=(0, 2)),
    )


def test_a_short_run_is_shown_update_by_update(metrics):
    history = history_of(metrics)
    assert (history.updates, history.iterations) == (10, 5)
    assert [part.at for part in history.total] == [0.25 + i / 2 for i in range(10)]
    assert [part.mean for part in history.total] == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert {part.mean for part in history.full} == {2.0}


def test_a_long_run_is_binned_and_keeps_its_extremes():
    lines = [
        {"outer": i, "inner": 0, "loss": float(i % 7), "losses": {"1": 0.0}} for i in range(5100)
    ]
    history = history_of(lines)
    assert 200 < len(history.total) <= 300
    assert {(part.low, part.high) for part in history.total} == {(0.0, 6.0)}
    assert history.full == ()
    assert not history.chooses


def test_losses_that_are_not_finite_are_left_out():
    losses = [1.0, math.nan, math.inf, None, 3.0]
    lines = [{"outer": i, "inner": 0, "loss": loss} for i, loss in enumerate(losses)]
    assert [part.mean for part in history_of(lines).total] == [1.0, 3.0]


def test_no_lines_have_no_history():
    assert history_of([]) is None


def test_a_measure_within_an_iteration_stands_between_its_ends(proxy):
    first, last = distances_of(proxy, inner=2)
    assert (first.at, last.at) == (1.0, 4.5)
    assert last.relative == (0.2, 0.4, 0.6, 0.8)
