"""Which size a set's own measurements recommend, and what is said of wishes they cannot answer."""

from __future__ import annotations

from typing import Any

import pytest

from condensery.condensed.choosing import by_accuracy, title
from condensery.errors import ConfigError


def record(size: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    known = {"std": 0.004, "networks": ["convnet3"], "seeds": 3, "protocol": "idc"}
    length = {"epochs": None, "steps": 200, "precision": "fp32"}
    return {"size": size, "accuracy": accuracy, **known, **length, **changes}


def measured(*accuracies: float, **changes: Any) -> list[dict[str, Any]]:
    return [record(k, x, **changes) for k, x in enumerate(accuracies, start=1)]


def test_the_smallest_size_that_reaches_the_share_is_chosen():
    records = measured(0.60, 0.76, 0.74, 0.80)
    assert by_accuracy(records, 0.95, largest=4).size == 2
    assert by_accuracy(records, 0.70, largest=4).size == 1
    assert by_accuracy(records, 0.96, largest=4).size == 4  # 0.76 is 0.95 of 0.80


def test_a_choice_says_what_it_reaches_of_what_and_how_that_was_measured():
    said = by_accuracy(measured(0.60, 0.76, 0.80), 0.9, largest=3).why
    assert "size 2 of 3: 76.0 ± 0.4 % of 80.0 ± 0.4 % at full size (95.0 %, asked for 90 %)" in said
    assert "below it size 1 has most, 75.0 %" in said
    assert said.endswith("\nmeasured: protocol idc, 200 steps, convnet3, 3 seeds")


def test_a_share_that_no_smaller_size_reaches_takes_the_whole_set_and_says_what_they_reach():
    choice = by_accuracy(measured(0.60, 0.79, 0.70, 0.80), 0.99, largest=4)
    assert choice.size == 4
    assert "below it size 2 has most, 98.8 %" in choice.why


def test_sizes_that_were_not_tested_are_no_choice_and_are_named():
    choice = by_accuracy([record(1, 0.5), record(4, 0.78), record(5, 0.8)], 0.9, largest=5)
    assert choice.size == 4
    assert "not tested: sizes 2, 3" in choice.why


def test_a_smaller_size_may_be_better_than_the_whole():
    choice = by_accuracy(measured(0.82, 0.80), 1.0, largest=2)
    assert choice.size == 1
    assert "(102.5 %, asked for 100 %)" in choice.why


def test_the_order_of_the_records_does_not_matter():
    records = measured(0.60, 0.76, 0.80)
    assert by_accuracy(records[::-1], 0.9, largest=3) == by_accuracy(records, 0.9, largest=3)


def test_one_measurement_answers_and_never_a_mixture():
    short = measured(0.5, 0.7, 0.8)
    other = [record(k, x, networks=["mlp"]) for k, x in ((1, 0.79), (3, 0.8))]
    assert by_accuracy(short + other, 0.95, largest=3).size == 3
    assert by_accuracy(short + other, 0.95, largest=3, network="mlp").size == 1
    longer = measured(0.75, 0.78, 0.8, steps=1000)
    assert by_accuracy(short + longer, 0.9, largest=3).size == 1
    assert by_accuracy(short + longer, 0.9, largest=3, steps=200).size == 3
    bf16 = measured(0.1, 0.8, precision="bf16")
    assert by_accuracy([*short, *bf16], 0.85, largest=3).size == 2


def test_a_measurement_without_the_full_size_does_not_hide_one_that_has_it():
    longer = measured(0.7, 0.71, 0.72, steps=1000)
    assert by_accuracy(longer + measured(0.6, 0.7, 0.75, 0.8), 0.9, largest=4).size == 3


def test_sizes_with_different_numbers_of_seeds_are_one_measurement():
    records = [record(1, 0.76, seeds=2), record(2, 0.8, seeds=3)]
    assert by_accuracy(records, 0.9, largest=2).size == 1


def test_a_set_that_nobody_evaluated_says_what_would_make_the_table():
    with pytest.raises(ConfigError, match="condensery evaluate FILE --data DATA"):
        by_accuracy([], 0.9, largest=3)


def test_a_table_without_the_full_size_says_which_command_adds_it():
    with pytest.raises(ConfigError, match=r"tested are 1,2\. .*--sizes 1,2,10"):
        by_accuracy(measured(0.5, 0.6), 0.9, largest=10)


def test_a_training_that_was_not_measured_is_answered_with_those_that_were():
    with pytest.raises(ConfigError, match=r"with network mlp, steps 9\. .*200 steps, convnet3"):
        by_accuracy(measured(0.5, 0.6), 0.9, largest=2, network="mlp", steps=9)


def test_what_is_no_share_is_refused(each):
    for share, said in each([(95, "Write 0.95"), (0, "above 0"), (-1, "above 0")]):
        with pytest.raises(ConfigError, match=said):
            by_accuracy(measured(0.5, 0.6), share, largest=2)


def test_a_full_size_that_gets_nothing_right_is_reached_by_all():
    assert by_accuracy(measured(0.0, 0.0), 0.9, largest=2).size == 1


def test_a_kernel_has_no_length():
    assert title(record(1, 0.5, steps=None)) == "protocol idc, no training, convnet3, 3 seeds"
