"""Runs side by side: what is compared, what is refused, what is merged; numbers by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from condensery.errors import ConfigError
from condensery.report.accuracy import compare
from condensery.report.several_runs import ShownSet, baselines, check_data, set_against
from condensery.report.several_runs_page import markdown, render


@pytest.fixture
def run(pets):
    """Lines of a run and of its random images, from ``{size: accuracies by seed}``."""

    def make(name, accuracies, *, random=None, data=None, method="mdc", **change):
        seen = [
            pets.observation(set=set_, size=size, seed=seed, accuracy=accuracy, **change)
            for set_, sizes in (("condensed", accuracies), ("random", random or {}))
            for size, each in sizes.items()
            for seed, accuracy in enumerate(each)
        ]
        comparisons = compare(seen)
        own = ShownSet(
            name=name,
            run=True,
            points={each.key: each.ours for each in comparisons if each.ours},
            where=f"runs/{name}",
            method=method,
            ipc=10,
            bytes=(100, 200),
            data=data or {"name": "pets", "fingerprint": "f", "test_fingerprint": "t"},
            facts=(("Method", method),),
        )
        return [own, *baselines(own, comparisons)]

    return make


def row(found, name):
    return next(each for each in found[0].table.rows if each.name == name)


def test_averages_are_over_the_sizes_seed_by_seed_and_differences_to_the_first(run):
    lines = [*run("a", {1: [0.4, 0.6], 2: [0.7, 0.7]}), *run("b", {1: [0.5, 0.7], 2: [0.9, 0.5]})]
    found = set_against(lines, against=None)
    a, b = row(found, "a"), row(found, "b")
    assert a.average.mean == pytest.approx(0.6)
    assert a.average.std == pytest.approx(0.05 * 2**0.5)  # of 0.55 and 0.65
    assert b.average.std == pytest.approx(0.05 * 2**0.5)  # of 0.7 and 0.6
    assert (a.difference, b.difference) == (0.0, pytest.approx(0.05))
    assert b.cells[1].std == pytest.approx(0.1 * 2**0.5)
    (turned,) = set_against(lines, against="b")
    assert turned.table.rows[0].difference == pytest.approx(-0.05)


def test_the_average_is_over_the_sizes_that_all_runs_have(run):
    lines = [*run("a", {1: [0.25], 2: [0.5], 5: [1.0]}), *run("b", {2: [0.5], 5: [0.75]})]
    (found,) = set_against(lines, against=None)
    assert found.table.sizes == (1, 2, 5)
    assert found.averaged == (2, 5)
    assert found.table.rows[0].average.mean == 0.75
    assert "Avg. is over the sizes that all runs were tested at: 2, 5." in markdown(
        [found], data="pets"
    )


def test_runs_with_no_common_size_have_no_average(run):
    lines = [*run("a", {1: [0.25]}), *run("b", {2: [0.5]})]
    (found,) = set_against(lines, against=None)
    assert [each.average for each in found.table.rows] == [None, None]
    assert "there is no average" in markdown([found], data="pets")


def test_a_baseline_of_the_same_networks_is_one_line(run):
    same = [*run("a", {1: [0.5]}, random={1: [0.25]}), *run("b", {1: [0.6]}, random={1: [0.25]})]
    (found,) = set_against(same, against=None)
    assert [each.name for each in found.table.rows] == ["a", "b", "random"]
    more = [*run("a", {1: [0.5]}, random={1: [0.25]})]
    more += run("b", {1: [0.6]}, random={1: [0.25, 0.75]})
    assert row(set_against(more, against=None), "random").cells[1].mean == 0.5


def test_a_baseline_of_other_networks_is_another_line(run):
    other = [*run("a", {1: [0.5]}, random={1: [0.25]}), *run("b", {1: [0.6]}, random={1: [0.3]})]
    (found,) = set_against(other, against="random")
    names = [each.name for each in found.table.rows]
    assert names == ["a", "b", "random", "random, baseline of b"]
    assert found.table.rows[0].difference == 0.25


def test_runs_that_were_tested_otherwise_are_refused_with_both_ways(each, run):
    for change in each(
        [{"protocol": "dsa"}, {"steps": 70}, {"precision": "bf16"}, {"network": "mlp"}]
    ):
        lines = [*run("a", {1: [0.5]}), *run("b", {1: [0.6]}, **change)]
        with pytest.raises(ConfigError, match="cannot be compared") as error:
            set_against(lines, against=None)
        text = str(error.value)
        assert "a: convnet3 by protocol idc, 700 steps" in text
        assert "condensery evaluate runs/a --data DATA --protocol" in text


def test_a_table_holds_only_what_was_tested_alike_and_names_what_is_left_out(run, pets):
    lines = [*run("a", {1: [0.5]}), *run("b", {1: [0.6]})]
    both = compare([pets.observation(), pets.observation(network="mlp", accuracy=0.9)])
    other = run("c", {1: [0.5]})[0]
    other = replace(other, points={each.key: each.ours for each in both})
    mlp = compare([pets.observation(network="mlp", accuracy=0.1)])
    last = replace(other, name="d", where="d", points={each.key: each.ours for each in mlp})
    found = set_against([*lines, other, last], against=None)
    assert [(each.table.network, each.missing) for each in found] == [
        ("convnet3", ("d",)),
        ("mlp", ("a", "b")),
    ]
    assert [each.name for each in found[1].table.rows] == ["c", "d"]
    assert found[1].table.reference is None  # a is not there
    assert "Not tested in this way, and therefore not in the table: a, b." in markdown(
        found, data="pets"
    )


def test_a_run_without_accuracies_is_refused_with_the_command(run):
    with pytest.raises(ConfigError, match="condensery evaluate runs/b --data DATA"):
        set_against([*run("a", {1: [0.5]}), *run("b", {})], against=None)


def test_an_unknown_line_to_stand_against_is_answered_with_the_nearest(run):
    with pytest.raises(ConfigError, match="Did you mean 'alpha'"):
        set_against([*run("alpha", {1: [0.5]}), *run("b", {1: [0.5]})], against="alpa")


@pytest.mark.parametrize("key", ["fingerprint", "test_fingerprint"])
def test_other_data_is_refused_with_both_fingerprints(run, key):
    data = {"name": "pets", "fingerprint": "f", "test_fingerprint": "t"}
    lines = [*run("a", {1: [0.5]}), *run("b", {1: [0.5]}, data=data | {key: "other"})]
    with pytest.raises(ConfigError, match=r"are of different (training|test) images") as error:
        check_data(lines)
    assert "runs/a and runs/b" in str(error.value)
    check_data([*run("a", {1: [0.5]}), *run("b", {1: [0.5]}, data={"fingerprint": "f"})])


class Words(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_the_page_stands_alone_and_escapes_names(run):
    evil = '</script><img src=x onerror="a">'
    lines = [*run("a", {1: [0.5], 2: [0.6]}), *run(evil, {1: [0.6], 2: [0.7]}, method=evil)]
    text = render(set_against(lines, against=None), lines, data=evil)
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text
    tags = Words(text).tags
    assert tags.count("script") == 1
    assert "img" not in tags
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert text == render(set_against(lines, against=None), lines, data=evil)


def test_published_figures_stand_below_the_run_they_are_of(run):
    lines = [
        *run("ours", {1: [0.5], 10: [0.6]}, method="mdc"),
        *run("theirs", {1: [0.5], 10: [0.6]}, method="c"),
    ]
    text = markdown(set_against(lines, against="theirs"), data="cifar10")
    printed = [line.split("|")[1:-1] for line in text.splitlines() if "published, full" in line]
    cells = [[cell.strip() for cell in line] for line in printed]
    assert cells[0] == ["ours, published, full protocol [1]", "49.6", "66.8", "58.2", "+10.7"]
    assert cells[1] == ["theirs, published, full protocol [1]", "27.5", "67.5", "47.5", "0.0"]
    assert "[1] He et al. 2024 (MDC)" in text


def test_published_averages_are_over_the_sizes_that_ours_are_over(run):
    lines = [*run("a", {1: [0.5], 2: [0.5], 10: [0.6]}), *run("b", {1: [0.5], 10: [0.5]})]
    text = markdown(set_against(lines, against=None), data="cifar10")
    printed = next(line for line in text.splitlines() if "published, full" in line)
    assert [cell.strip() for cell in printed.split("|")[2:-1]] == [
        *("49.6", "53.8", "66.8"),
        "58.2",  # of 1 and 10
        "0.0",
    ]
