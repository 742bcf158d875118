"""Ordering a condensed file anew at the command line."""

from __future__ import annotations

from pathlib import Path

from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data
from condensery.reranking import rerank

FAST = ("--network", "convnet2-w4", "--epochs", 3, "--best", 2)


def test_a_file_is_ordered_as_the_library_orders_it(condensery, finished: Path, tmp_path: Path):
    file, out = finished / "condensed.safetensors", tmp_path / "new.safetensors"
    said = condensery("rerank", file, "--out", out, "--hard", "--seed", 4, *FAST)
    assert said.code == 0
    assert "rerank by lbpe: " in said.err
    assert f"{out}: 2 images per class, ordered by lbpe" in said.out
    found, before = CondensedSet.load(out), CondensedSet.load(file)
    choices = {"epochs": 3, "best": 2, "network": "convnet2-w4", "seed": 4}
    expected = rerank(before, first="hard", **choices)
    assert found.images.equal(expected.images)
    assert found.manifest["reranked"] == expected.manifest["reranked"]
    assert condensery("inspect", out).code == 0
    said = condensery("rerank", file, "--out", out, "--by", "herding", "--data", "digits", *FAST,
                      "--overwrite")  # fmt: skip
    assert said.code == 0
    expected = rerank(before, load_data("digits"), by="herding", network="convnet2-w4")
    assert CondensedSet.load(out).images.equal(expected.images)


def test_what_cannot_work_leaves_no_file(condensery, finished: Path, tmp_path: Path):
    file, out = finished / "condensed.safetensors", tmp_path / "new.safetensors"
    for words, said in (
        (("--by", "herding"), "needs the real images"),
        (("--best", 101), "best = 101 epochs are to be summed of a training of 100"),
        (("--by", "lbp"), "lbpe"),
    ):
        answer = condensery("rerank", file, "--out", out, *words)
        assert answer.code == 2
        assert said in answer.err
    assert not out.exists()
