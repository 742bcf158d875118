"""Published figures average to what is printed, and stand where they belong."""

from __future__ import annotations

import math

import pytest

from condensery.data.known import KNOWN
from condensery.registry import names
from condensery.report.published import _PREFIXES, _SINGLE, published
from condensery.runs.tables.papers import TABLES

PRINTED = {
    ("svhn", 10): {"a": 81.85, "b": 71.38, "c": 70.65, "mdc": 76.75},
    ("cifar10", 10): {
        "a": 62.05,
        "b": 56.00,
        "c": 53.15,
        "mdc": 59.55,
        "dc": 31.21,
        "dsa": 35.44,
        "mtt": 43.53,
        "dream": 55.50,
    },
    ("cifar100", 10): {"a": 40.20, "b": 32.12, "c": 34.40, "mdc": 37.53},
    ("svhn", 50): {"a": 84.34, "c": 68.23, "mdc": 76.47},
    ("cifar10", 50): {
        "a": 65.26,
        "c": 54.21,
        "mdc": 62.01,
        "dc": 29.68,
        "dsa": 31.20,
        "mtt": 42.69,
        "dream": 55.33,
    },
    ("cifar100", 50): {"a": 43.56, "c": 34.96, "mdc": 39.45},
    ("imagenet-10", 20): {"a": 70.21, "mdc": 67.62},
}


def test_the_rows_average_to_what_the_paper_prints(each):
    for key in each(PRINTED):
        assert _PREFIXES[key].keys() == PRINTED[key].keys()
        for name, average in PRINTED[key].items():
            found = published(key[0], name, ipc=key[1])
            mean = math.fsum(found.accuracy.values()) / len(found.accuracy)
            assert mean == pytest.approx(average, abs=0.011), name


def test_a_prefix_belongs_to_the_set_that_it_is_cut_from():
    of_ten, of_fifty = (published("cifar10", "mdc", ipc=ipc) for ipc in (10, 50))
    assert (of_ten.accuracy[1], of_fifty.accuracy[1]) == (49.55, 47.83)
    assert published("cifar10", "mdc", ipc=20) is None
    assert of_ten.source == "He et al. 2024 (MDC)"


def test_other_methods_are_known_at_the_full_size_alone():
    assert published("fashion-mnist", "idc", ipc=10).accuracy == {10: 86.0}
    assert published("fashion-mnist", "idc", ipc=7) is None


def test_selections_do_not_depend_on_the_full_size():
    assert published("cifar10", "random", ipc=20).accuracy == {1: 14.4, 10: 26.0, 50: 43.4}


def test_nothing_is_known_of_other_data():
    assert published("digits", "mdc", ipc=10) is None


def test_every_figure_is_of_something_that_can_be_compared():
    known = {*names("method"), *names("selection"), "a", "b", "c", "mtt"}
    assert {name for rows in _PREFIXES.values() for name in rows} <= known


def test_prefixes_of_idc_are_those_of_baseline_c():
    assert published("cifar10", "idc", ipc=10) == published("cifar10", "c", ipc=10)
    assert published("fashion-mnist", "idc", ipc=10).source != "He et al. 2024 (MDC)"


def test_an_average_is_known_of_the_sizes_it_was_printed_over():
    found = published("imagenet-10", "c", ipc=20)
    sizes = tuple(published("imagenet-10", "mdc", ipc=20).accuracy)
    assert found.average(sizes) == 66.58
    assert found.average(sizes[:-1]) is None
    mdc = published("cifar10", "mdc", ipc=10)
    assert mdc.average((1, 10)) == pytest.approx((49.55 + 66.79) / 2)
    assert mdc.average((1, 50)) is None


def test_data_sets_are_named_as_the_table_of_known_data_sets_names_them():
    named = {data for data, _ in _PREFIXES} | set(_SINGLE)
    named |= {data for table in TABLES.values() for data in table.data}
    assert named <= set(KNOWN)
