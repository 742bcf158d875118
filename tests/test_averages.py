"""Means and deviations against numbers computed by hand."""

from __future__ import annotations

import pytest

from condensery.averages import average, average_over_sizes


def test_a_mean_has_the_sample_deviation_of_its_values():
    found = average([0.5, 0.6, 0.1])
    assert found.mean == pytest.approx(0.4)
    assert found.std == pytest.approx(0.264575131106459)  # sqrt((0.1² + 0.2² + 0.3²) / 2)
    assert found.count == 3


def test_one_value_has_no_deviation():
    assert average([0.25]).std is None


def test_an_average_over_sizes_has_its_own_deviation_and_not_that_of_the_sizes():
    # Seeds average to (0.2 + 0.8) / 2 and (0.4 + 0.6) / 2: both 0.5.
    found = average_over_sizes([[0.2, 0.4], [0.8, 0.6]])
    assert (found.mean, found.std, found.count) == (0.5, 0.0, 2)


def test_sizes_with_other_numbers_of_values_are_refused():
    with pytest.raises(ValueError, match="zip"):
        average_over_sizes([[0.2, 0.4], [0.8]])
