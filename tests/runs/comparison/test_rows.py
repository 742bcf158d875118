"""What the words of a comparison mean."""

from __future__ import annotations

import pytest

from condensery.errors import ConfigError
from condensery.runs.comparison.rows import compared_row


def test_a_word_is_a_method_a_policy_a_baseline_or_a_rule(each):
    for word, kind, method, sizes in each(
        [
            ("mdc", "prefixes", "mdc", None),
            ("idc:all", "prefixes", "idc", "all"),
            ("a", "a", "dm", "one"),
            ("b", "b", "dm", "one"),
            ("c", "prefixes", "dm", "one"),
            ("k-means", "selection", "k-means", None),
        ]
    ):
        found = compared_row(word, base="dm")
        assert (found.kind, found.method, found.size_policy) == (kind, method, sizes)


def test_a_row_of_one_run_or_of_real_images_can_be_ordered_anew():
    for word, kind, method, sizes in (
        ("c:rerank", "prefixes", "dm", "one"),
        ("mdc:rerank", "prefixes", "mdc", None),
        ("idc:all:rerank", "prefixes", "idc", "all"),
        ("random:rerank", "selection", "random", None),
    ):
        found = compared_row(word, base="dm")
        assert (found.name, found.kind, found.method) == (word, kind, method)
        assert (found.size_policy, found.reranked) == (sizes, True)
        assert not compared_row(word.removesuffix(":rerank"), base="dm").reranked
    for word in ("a:rerank", "b:rerank"):
        with pytest.raises(ConfigError, match=f"'{word}' cannot be compared.*c:rerank"):
            compared_row(word, base="idc")


def test_the_name_of_its_file_has_no_colon():
    assert compared_row("dream:most-learnable", base="idc").file == "dream-most-learnable"


def test_an_unknown_word_is_answered_with_the_nearest(each):
    for word, near in each([("mcd", "'mdc'"), ("idc:al", "'all'"), ("herdin", "'herding'")]):
        with pytest.raises(ConfigError, match=f"cannot be compared.*Did you mean {near}"):
            compared_row(word, base="idc")


def test_a_baseline_takes_no_policy():
    with pytest.raises(ConfigError, match="'a:one' cannot be compared"):
        compared_row("a:one", base="idc")
