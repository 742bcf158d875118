"""The card says what is in the set, and asks for a licence."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatch

import pytest

from condensery.data import load_data
from condensery.errors import ConfigError
from condensery.selection import select
from condensery.sharing.card import Card, patterns_below, rank_file
from condensery.sharing.licence import Licence

yaml = pytest.importorskip("yaml")


def card(**changes) -> Card:
    condensed = select(load_data("digits").train, by="first", ipc=3)
    return replace(
        Card(
            condensed=condensed,
            name="me/digits",
            licence=Licence(identifier="cc-by-4.0"),
            images=[10, 20, 30],
            file_bytes=3000,
            shown=(10, 3),
        ),
        **changes,
    )


def record(size: int) -> dict:
    return {
        "size": size,
        "accuracy": 0.5 + size / 100,
        "std": 0.01,
        "random": 0.4,
        "random_std": 0.02,
        "networks": ["convnet3"],
        "seeds": 3,
        "protocol": "idc",
        "epochs": 1000,
        "steps": None,
        "precision": "fp32",
    }


def test_the_patterns_of_a_size_name_the_files_of_the_ranks_below_it_and_no_other(each):
    for sizes in each([1, 9, 10, 11, 99, 100, 101, 120, 1000]):
        files = [rank_file(rank, sizes=sizes) for rank in range(sizes)]
        for ipc in sorted({1, 2, 9, 10, 11, 19, 20, 21, 99, 100, 101, 110, sizes - 1, sizes}):
            if not 1 <= ipc <= sizes:
                continue
            patterns = patterns_below(ipc, sizes=sizes)
            assert [f for p in patterns for f in files if fnmatch(f, p)] == files[:ipc]
            assert len(patterns) <= len(str(sizes))


def test_the_head_of_a_card_has_one_configuration_for_every_size():
    head = yaml.safe_load(card().text().split("---\n")[1])
    assert head["license"] == "cc-by-4.0"
    assert head["size_categories"] == ["n<1K"]
    assert [x["config_name"] for x in head["configs"]] == ["ipc-1", "ipc-2", "ipc-3"]
    assert [x.get("default", False) for x in head["configs"]] == [False, False, True]


def test_the_body_of_a_card_has_the_measured_accuracies_or_says_that_there_are_none():
    plain = card()
    assert "was not evaluated before it was published" in plain.text()
    assert "real images that were selected by `first`" in plain.text()
    measured = card(condensed=plain.condensed.with_observations([record(1), record(3)]))
    text = measured.text()
    assert "| 51.0 ± 1.0 | 40.0 ± 2.0 |" in text
    assert "protocol idc, 1000 epochs, convnet3, 3 seeds" in text
    assert "| 53.0 ± 1.0 |" in text
    assert 'load_dataset("me/digits", "ipc-3", split="train")' in text
    assert "The publisher of this set gives `cc-by-4.0`." in text


def test_a_card_of_many_sizes_shows_the_tested_ones_and_some_between(monkeypatch):
    monkeypatch.setattr("condensery.sharing.card._SHOWN", 5)
    condensed = select(load_data("digits").train, by="first", ipc=12)
    measured = condensed.with_observations([record(7)])
    text = card(condensed=measured, images=list(range(10, 130, 10)), shown=(10, 4)).text()
    rows = re.findall(r"\|\s+(ipc-\d+) \|", text)
    assert rows == [f"ipc-{size}" for size in (1, 2, 5, 7, 10, 12)]
    assert "Shown are 10 of 10 classes, evenly spaced, and the first 4 of 12 ranks." in text


def test_names_of_data_do_not_become_markdown_or_break_the_head():
    odd = '| *a* <b> "c": #'
    plain = card()
    plain.condensed.manifest["name"] = plain.condensed.manifest["data"]["name"] = odd
    text = plain.text()
    assert yaml.safe_load(text.split("---\n")[1])["pretty_name"] == odd
    assert '# \\| \\*a\\* \\<b\\> "c": \\#' in text


def test_a_licence_is_asked_for_and_never_guessed(each):
    for given, link, words in each(
        [
            (None, None, r"none is guessed.*--license"),
            ("CC BY", None, "is no identifier"),
            ("other", None, "belong together"),
            ("mit", "https://x", "belong together"),
        ]
    ):
        with pytest.raises(ConfigError, match=words):
            Licence.of(given, link=link)
    other = Licence.of("other", link="https://x/terms")
    head = yaml.safe_load(card(licence=other).text().split("---\n")[1])
    assert (head["license"], head["license_link"]) == ("other", "https://x/terms")
