"""Every part registers itself once, and is found by its name or by where it is written."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from condensery import registry
from condensery.condensing.objectives import DistributionMatching, Objective
from condensery.condensing.sizes import AllSizes
from condensery.errors import ConfigError
from condensery.registry import SLOTS, check_part, find, name_of, names, parts, register

PART_SLOTS = [slot for slot, kind in SLOTS.items() if kind.protocol]


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """What a test registers is forgotten after it."""
    known = {slot: dict(named) for slot, named in registry._parts.items()}
    monkeypatch.setattr(registry, "_parts", known)


@dataclass(frozen=True, kw_only=True)
class Mine(Objective):
    weight: float = 1.0

    def bind(self, context, real, view, *, engine, classes_per_pass):
        raise NotImplementedError


@dataclass
class Mutable(Objective):
    def bind(self, context, real, view, *, engine, classes_per_pass):
        raise NotImplementedError


def test_every_slot_has_parts_in_alphabetical_order_and_each_is_found(each):
    for slot in each(SLOTS):
        assert names(slot)
        assert list(names(slot)) == sorted(names(slot))
        for name, part in parts(slot).items():
            assert find(slot, name) is part
            assert name_of(slot, part) == name


def test_a_registered_part_is_found_by_its_name():
    register("objective", "mine")(Mine)
    assert find("objective", "mine") is Mine
    assert name_of("objective", Mine) == "mine"
    assert "mine" in names("objective")


def test_a_part_without_a_name_is_found_by_where_it_is_written(monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    assert find("objective", "mine:Mine") is Mine
    assert name_of("objective", Mine) == f"{Mine.__module__}:Mine"


def test_a_name_is_given_once_but_a_module_may_be_loaded_again():
    with pytest.raises(ConfigError, match=r"'distribution' is condensery.*already.*Register it"):
        register("objective", "distribution")(Mine)
    register("objective", "distribution")(DistributionMatching)


def test_what_cannot_be_a_part_is_refused_with_a_way_out(each):
    for call, said in each(
        [
            (lambda: register("objektive", "x"), "slot = 'objektive'.*Did you mean 'objective'"),
            (lambda: register("objective", "x")(Mutable), "no frozen dataclass.*@dataclass"),
            (lambda: parts("size"), "slot = 'size'.*Did you mean 'size_policy'"),
            (
                lambda: find("size_policy", "al"),
                "size_policy = 'al' is unknown.*known are all,.*mean 'all'",
            ),
            (lambda: find("size_policy", None), "size_policy = None is unknown"),
            (
                lambda: find("size_policy", "no.such:Class"),
                "cannot be imported: No module named 'no'",
            ),
            (
                lambda: find("size_policy", "condensery.condensing.sizes:No"),
                "cannot be imported.*No",
            ),
            (lambda: find("size_policy", "json:dumps"), "no frozen dataclass"),
            (lambda: check_part("objective", Mine), r"Mine is a class.*Write Mine\(\.\.\.\)"),
            (lambda: check_part("objective", "mine"), "no frozen dataclass"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            call()
    assert find("size_policy", "all") is AllSizes


def test_a_part_that_lacks_something_is_told_what_and_where_it_is_described():
    @dataclass(frozen=True)
    class Half:
        def bind(self): ...

    missing = r"lacks advance, all_classes, check, init.*inherit from .*Objective"
    with pytest.raises(ConfigError, match=missing):
        check_part("objective", Half())
    check_part("objective", Mine())


def test_a_part_that_inherits_and_lacks_what_it_must_have_cannot_be_made():
    @dataclass(frozen=True)
    class Empty(Objective):
        pass

    with pytest.raises(TypeError, match="bind"):
        Empty()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that registers parts by an entry point."""

    def installed(code):
        (tmp_path / "their_parts.py").write_text(code)
        info = tmp_path / "theirs-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[condensery]\nparts = their_parts\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        registry._load_others.cache_clear()

    yield installed
    sys.modules.pop("their_parts", None)
    monkeypatch.undo()
    registry._load_others.cache_clear()


def test_an_installed_package_registers_its_names_by_an_entry_point(package):
    package(
        "from dataclasses import dataclass\n"
        "from condensery.registry import register\n"
        "from condensery.condensing.sizes import OneSize, SizePolicy\n"
        "@register('size_policy', 'theirs')\n"
        "@dataclass(frozen=True)\n"
        "class Theirs(SizePolicy):\n"
        "    def sets(self, state, *, outer, rng):\n"
        "        return OneSize().sets(state, outer=outer, rng=rng)\n"
    )
    assert "theirs" in names("size_policy")
    assert find("size_policy", "theirs").__module__ == "their_parts"


def test_an_entry_point_that_fails_names_its_package(package):
    package("raise RuntimeError('broken')")
    with pytest.raises(ConfigError, match=r"Package 'theirs'.*their_parts.*broken.*uninstall"):
        names("size_policy")
