"""The cache: where it is, how entries are found, held and removed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from condensery import cache
from condensery.errors import ConfigError
from condensery.files import LOCK


class Owner:
    """Something that uses an entry as long as it lives."""


def filled(name: str, size: int, *, used: float) -> Path:
    """An entry with a file, last used at a moment, that nobody holds."""
    folder = cache.entry("experts", name, {"of": name})
    owner = Owner()
    cache.hold(folder, owner)
    (folder / "content").write_bytes(bytes(size))
    os.utime(folder / LOCK, (used, used))
    return folder


def test_the_place_is_that_of_the_variable_or_of_the_system(each, monkeypatch, tmp_path):
    home = str(tmp_path)
    for system, variables, expected in each(
        [
            ("linux", {"CONDENSERY_CACHE": f"{home}/own"}, "own/experts"),
            ("linux", {"XDG_CACHE_HOME": f"{home}/xdg"}, "xdg/condensery/experts"),
            ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/condensery/experts"),
            ("linux", {}, ".cache/condensery/experts"),
            ("darwin", {}, "Library/Caches/condensery/experts"),
            ("win32", {"LOCALAPPDATA": f"{home}/local"}, "local/condensery/experts"),
        ]
    ):
        for name in ("CONDENSERY_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"HOME": home, **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(cache.sys, "platform", system)
        assert cache.place("experts") == tmp_path / expected


def test_an_entry_is_found_by_its_facts_and_has_a_name_for_people():
    made = cache.entry("experts", "my set: mine.nets:small", {"seed": 1})
    assert made.name.startswith("my-set-mine.nets-small-")
    cache.hold(made, Owner())
    assert cache.entry("experts", "other name", {"seed": 1}) == made
    assert cache.entry("experts", "my set: mine.nets:small", {"seed": 2}) != made
    assert cache.owns(made)
    assert not cache.owns(made / "inside")


def test_the_entries_used_longest_ago_go_first_and_are_named(monkeypatch, caplog):
    old, middle, new = (
        filled(name, 1000, used=at) for name, at in (("c", 1e9), ("a", 1.1e9), ("b", 1.2e9))
    )
    monkeypatch.setenv("CONDENSERY_CACHE_LIMIT", "3k")
    cache.make_room()
    assert all(folder.exists() for folder in (old, middle, new))
    monkeypatch.setenv("CONDENSERY_CACHE_LIMIT", "1.5k")
    with caplog.at_level(logging.WARNING):
        cache.make_room()
    assert [folder.exists() for folder in (old, middle, new)] == [False, False, True]
    assert [
        record.getMessage().split("removed ")[1].split(",")[0] for record in caplog.records
    ] == [
        str(old),
        str(middle),
    ]
    assert "2001-09-09" in caplog.text


def test_an_entry_that_is_used_stays_whatever_the_bound(monkeypatch):
    used, unused = (filled(name, 10, used=at) for name, at in (("old", 1e9), ("new", 1.1e9)))
    monkeypatch.setenv("CONDENSERY_CACHE_LIMIT", "1")
    owner = Owner()
    cache.hold(used, owner)
    cache.make_room()
    assert (used.exists(), unused.exists()) == (True, False)
    del owner
    cache.make_room()
    assert not used.exists()


def test_a_bound_that_is_no_number_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("CONDENSERY_CACHE_LIMIT", "much")
    with pytest.raises(ConfigError, match="CONDENSERY_CACHE_LIMIT: 'much' is no number of bytes"):
        cache.make_room()


def test_a_cache_that_cannot_be_written_says_which_variable_helps(own_cache, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setenv("CONDENSERY_CACHE", str(file))
    with pytest.raises(ConfigError, match=r"cannot be written.*CONDENSERY_CACHE"):
        cache.hold(cache.entry("experts", "x", {}), Owner())
