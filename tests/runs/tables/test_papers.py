"""The tables of papers name what the library has, and what was printed in them."""

from __future__ import annotations

import pytest

from condensery.data.known import KNOWN
from condensery.errors import ConfigError
from condensery.runs.comparison.rows import compared_row
from condensery.runs.tables.papers import TABLES, paper_table
from condensery.runs.tables.reproduction import printed_in


def test_every_row_can_be_made_on_every_data_set(each):
    for name in each(TABLES):
        table = TABLES[name]
        assert all(compared_row(word, base=table.base).name == word for word in table.rows)
        assert set(table.data) <= KNOWN.keys()
        assert table.sizes[-1] == table.ipc
        assert list(table.sizes) == sorted(set(table.sizes))


def test_the_paper_printed_the_row_that_a_table_is_about_at_all_of_its_sizes(each):
    for name in each(TABLES):
        table = TABLES[name]
        for data in table.data:
            printed = printed_in(table, data, table.rows)
            assert set(printed["mdc"].accuracy) == set(table.sizes)
            assert {each.source for each in printed.values()} == {table.paper}


def test_the_other_rows_were_printed_but_for_those_that_could_not_be_read():
    missing = {
        (name, data, row)
        for name, table in TABLES.items()
        for data in table.data
        for row in table.rows
        if row not in printed_in(table, data, table.rows)
    }
    assert missing == {
        *(("mdc-1b", data, "b") for data in ("svhn", "cifar10", "cifar100")),
        ("mdc-1c", "imagenet-10", "b"),
    }


def test_an_unknown_table_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'mdc-2a'"):
        paper_table("mdc2a")
