"""The arithmetic of the table, against numbers computed by hand."""

from __future__ import annotations

import pytest

from condensery.report.table import tabulated

SEEN = {
    "mdc": {1: [[0.50, 0.54], [0.60, 0.64]], 2: [[0.70, 0.70], [0.72, 0.76]]},
    "c": {1: [[0.30, 0.34], [0.36, 0.32]], 2: [[0.74, 0.70], [0.70, 0.74]]},
}


def table(seen, *, condensations, reference="c", sizes=(1, 2)):
    return tabulated(
        "net",
        seen,
        names=["mdc", "c", "random"],
        sizes=sizes,
        condensations=condensations,
        reference=reference,
    )


def close(cell, mean, std, count):
    assert cell.mean == pytest.approx(mean, abs=1e-12)
    assert cell.std == pytest.approx(std, abs=1e-12)
    assert cell.count == count


def test_with_several_condensations_deviations_are_over_these():
    found = table(SEEN, condensations=2)
    mdc, c = found.rows
    assert found.over == "condensations"
    # size 1: networks average to 0.52 and 0.62, mean 0.57, deviation sqrt(2 * 0.05^2)
    close(mdc.cells[1], 0.57, 0.0707106781186548, 2)
    close(mdc.cells[2], 0.72, 0.0282842712474619, 2)
    # averages of the condensations: (0.52 + 0.70) / 2 and (0.62 + 0.74) / 2
    close(mdc.average, 0.645, 0.0494974746830583, 2)
    close(c.average, 0.525, 0.0070710678118655, 2)
    assert mdc.difference == pytest.approx(0.12)
    assert c.difference == 0


def test_with_one_condensation_deviations_are_over_networks():
    first = {name: {n: cells[:1] for n, cells in sizes.items()} for name, sizes in SEEN.items()}
    found = table(first, condensations=1)
    assert found.over == "networks"
    mdc = found.rows[0]
    close(mdc.cells[1], 0.52, 0.0282842712474619, 2)
    close(mdc.average, 0.61, 0.0141421356237310, 2)  # networks: 0.60 and 0.62


def test_one_network_has_no_deviation():
    found = table({"c": {1: [[0.3]], 2: [[0.5]]}}, condensations=1)
    assert found.rows[0].cells[1].std is None
    assert found.rows[0].average.std is None
    assert found.rows[0].average.mean == pytest.approx(0.4)


def test_a_row_without_all_sizes_has_no_average_and_nothing_is_said_of_its_gain():
    found = table({"mdc": {1: SEEN["mdc"][1]}, "c": SEEN["c"]}, condensations=2)
    mdc = found.rows[0]
    assert mdc.average is None
    assert mdc.difference is None
    assert 2 not in mdc.cells


def test_a_cell_waits_until_every_condensation_has_as_many_networks():
    torn = {"c": {1: [[0.3, 0.4], [0.3]], 2: [[0.3, 0.4], []]}}
    assert table(torn, condensations=2).rows[0].cells == {}


def test_without_c_there_is_no_difference():
    found = table({"mdc": SEEN["mdc"]}, condensations=2)
    assert found.reference is None
    assert found.rows[0].difference is None
