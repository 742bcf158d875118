"""A run that gets no better ends when its patience does, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from condensery.condensed.artifact import CondensedSet
from condensery.evaluation import PrefixLosses, Proxy

WORDS = ("condense", "digits", "--method", "dm", "--ipc", "1", "--preset", "smoke", "--no-evaluate")


@pytest.mark.parametrize(("patience", "done"), [(2, 3), (5, 6)])
def test_patience_ends_a_run_that_gets_no_better(
    condensery, monkeypatch, tmp_path: Path, patience: int, done: int
):
    monkeypatch.setattr(
        Proxy, "__call__", lambda self, examples: PrefixLosses(loss=(1.0,), random=(2.0,))
    )
    run = tmp_path / "run"
    said = condensery(*WORDS, "--patience", patience, "--out", run)
    assert said.code == 0
    outcome = json.loads((run / "outcome.json").read_text())
    complete = done == 6
    assert outcome["iterations"] == done
    assert outcome["reason"] == ("complete" if complete else "patience")
    assert (f"for {patience} measures" in said.err) != complete
    assert "1: 0.500; mean 0.500" in said.out
    assert json.loads((run / "recipe.json").read_text())["patience"] == patience
    assert CondensedSet.load(run / "condensed.safetensors").sizes == 1


def test_a_run_without_patience_goes_to_its_end(condensery, tmp_path: Path):
    run = tmp_path / "run"
    assert condensery(*WORDS, "--out", run).code == 0
    assert json.loads((run / "outcome.json").read_text())["reason"] == "complete"
    assert json.loads((run / "recipe.json").read_text())["patience"] is None
    assert (run / "proxy.jsonl").read_text().count("\n") >= 2
