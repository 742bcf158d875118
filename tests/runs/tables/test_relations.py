"""What a table says of two rows: a sign, unless chance explains the difference."""

from __future__ import annotations

import math

import pytest

from condensery.report.published import PublishedFigures
from condensery.report.table import AccuracyTable, tabulated
from condensery.runs.tables.relations import relations

PRINTED = {
    "mdc": PublishedFigures(accuracy={1: 50.0, 2: 60.0}, source="paper"),
    "c": PublishedFigures(accuracy={1: 30.0, 2: 60.0}, source="paper"),
    "a": PublishedFigures(accuracy={1: 55.0}, source="paper"),
}


def table(**rows: tuple[float, ...]) -> AccuracyTable:
    """Rows of two sizes with the same accuracies, one a condensation."""
    seen = {name: {n: [[x] for x in values] for n in (1, 2)} for name, values in rows.items()}
    count = len(next(iter(rows.values())))
    return tabulated(
        "net", seen, names=list(rows), sizes=(1, 2), condensations=count, reference=None
    )


def test_a_difference_has_the_standard_error_of_two_means():
    found = table(mdc=(0.50, 0.52, 0.54), c=(0.40, 0.44, 0.48))
    (relation,) = relations(found, PRINTED, row="mdc")
    assert relation.difference == pytest.approx(8.0)
    assert relation.error == pytest.approx(math.sqrt(2.0**2 / 3 + 4.0**2 / 3))
    # Welch: (4/3 + 16/3)^2 / ((4/3)^2 / 2 + (16/3)^2 / 2) = 2.94 degrees of freedom: 2
    assert relation.least == pytest.approx(4.303 * relation.error)
    assert relation.published == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("mdc", "noise", "agrees"),
    [
        ((0.60, 0.61, 0.62), False, True),
        ((0.20, 0.21, 0.22), False, False),
        ((0.41, 0.50, 0.38), True, None),
    ],
)
def test_a_sign_counts_outside_of_the_noise_alone(mdc, noise, agrees):
    (relation,) = relations(table(mdc=mdc, c=(0.40, 0.41, 0.42)), PRINTED, row="mdc")
    assert (relation.noise, relation.agrees) == (noise, agrees)


def test_nothing_is_known_of_the_noise_of_single_values():
    (relation,) = relations(
        tabulated(
            "net",
            {name: {1: [[x]], 2: [[x]]} for name, x in (("mdc", 0.6), ("c", 0.3))},
            names=["mdc", "c"],
            sizes=(1, 2),
            condensations=1,
            reference=None,
        ),
        PRINTED,
        row="mdc",
    )
    assert relation.difference == pytest.approx(30.0)
    assert (relation.error, relation.noise, relation.agrees) == (None, None, None)


def test_a_row_that_was_not_printed_at_all_sizes_is_compared_with_nothing():
    same = (0.4, 0.41)
    found = relations(table(mdc=(0.6, 0.61), a=same, random=same), PRINTED, row="mdc")
    assert [(x.other, x.published, x.agrees) for x in found] == [
        ("a", None, None),
        ("random", None, None),
    ]


def test_a_row_without_an_average_is_compared_with_none():
    found = table(c=(0.4, 0.5))
    assert relations(found, PRINTED, row="mdc") == []
