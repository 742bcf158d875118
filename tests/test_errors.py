"""The tree of errors, and the nearest known name."""

from __future__ import annotations

from condensery import errors
from condensery.errors import CondenseryError, nearest


def test_every_error_is_in_one_tree():
    named = [getattr(errors, name) for name in errors.__all__ if name != "nearest"]
    wrong = [error for error in named if not issubclass(error, (CondenseryError, UserWarning))]
    kinds = [x for x in vars(errors).values() if isinstance(x, type) and issubclass(x, Exception)]
    assert set(named) == set(kinds)
    assert wrong == []


def test_the_nearest_known_name_is_offered_if_there_is_one(each):
    for given, known, said in each(
        [
            ("mcd", ["idc", "mdc", "dream"], " Did you mean 'mdc'?"),
            ("smok", ["smoke", "quick"], " Did you mean 'smoke'?"),
            ("zzz", ["smoke", "quick"], ""),
            ("x", [], ""),
            ("quick", {"quick": 1}, " Did you mean 'quick'?"),
        ]
    ):
        assert nearest(given, known) == said
