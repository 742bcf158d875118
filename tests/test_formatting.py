from __future__ import annotations

from condensery.formatting import byte_count, duration, markdown_table, plus_minus, points, rounded


def test_a_duration_is_told_in_the_units_that_matter(each):
    for seconds, text in each(
        [
            (0, "0.0 s"),
            (0.01234, "12.3 ms"),
            (0.9999, "1.0 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min"),
            (245.4, "4 min 5 s"),
            (3599.6, "1 h"),
            (4215, "1 h 10 min"),
            (47.9 * 3600, "47 h 54 min"),
            (60 * 3600, "2.5 days"),
        ]
    ):
        assert duration(seconds) == text


def test_bytes_are_counted_in_powers_of_1000(each):
    for count, text in each(
        [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (30_810, "30.8 kB"),
            (999_499, "999 kB"),
            (999_950, "1 MB"),
            (123_400_000, "123 MB"),
            (2_500_000_000, "2.5 GB"),
        ]
    ):
        assert byte_count(count) == text


def test_a_difference_has_a_sign_and_zero_has_none():
    assert [points(x) for x in (1.24, -0.26, 0.0, -0.04)] == ["+1.2", "−0.3", "0.0", "0.0"]


def test_published_figures_are_rounded_as_people_do_it():
    assert [rounded(x) for x in (49.55, 47.495, 66.79)] == ["49.6", "47.5", "66.8"]


def test_a_mean_without_a_deviation_stands_alone():
    assert plus_minus(0.5, 0.0123) == "50.0 ± 1.2"
    assert plus_minus(0.5, None) == "50.0"


def test_the_columns_of_a_markdown_table_line_up():
    assert markdown_table([["size", "x"], ["1", "10.5"]]) == (
        "| size |    x |\n| ---: | ---: |\n|    1 | 10.5 |"
    )


def test_the_rule_below_a_narrow_column_of_a_table_has_a_dash():
    assert markdown_table([["n"], ["1"]]) == "|  n |\n| -: |\n|  1 |"
