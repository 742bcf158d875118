"""Networks that compiled sweeps train have a thread each, and the bits of one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.engines.fused.blocks import EAGER
from condensery.evaluation import Evaluation, Observation, evaluate
from condensery.evaluation import trials as trials_module
from condensery.evaluation.trial import Outcome, Trial


@pytest.fixture
def chosen(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Evaluation]:
    """Networks worth compiling, whose compiled code is replaced by the eager reference."""
    monkeypatch.setattr(trials_module, "FUSED_AFTER", 1)
    monkeypatch.setattr(trials_module, "cannot_compile", lambda: None)
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)

    def choice(networks: Sequence[str] = ("convnet2-w4",), precision: str = "bf16") -> Evaluation:
        return evaluate(
            condensed,
            data,
            sizes=[1, 2, 3],
            networks=networks,
            seeds=2,
            steps=3,
            precision=precision,
        )

    return choice


def known(seen: Sequence[Observation]) -> list[tuple[object, ...]]:
    return [(o.seed, o.size, o.network, o.set, o.accuracy, o.images) for o in seen]


def test_accuracies_do_not_depend_on_how_many_are_in_training(
    chosen: Callable[..., Evaluation], threads: Callable[[int], None]
):
    found = []
    for count in (1, 3):
        threads(count)
        evaluation = chosen()
        assert evaluation.concurrent == count
        found.append(known(evaluation.run()))
    assert found[0] == found[1]
    assert len({accuracy for *_, accuracy, _ in found[0]}) > 1


def test_each_has_a_thread_unless_it_is_eager(
    chosen: Callable[..., Evaluation],
    threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
):
    threads(2)
    together, seen = threading.Barrier(2), list[tuple[bool, str]]()

    def run(self: Trial, *, compiled: bool) -> Outcome:
        seen.append((compiled, threading.current_thread().name))
        if compiled:
            together.wait(timeout=10)
        return Outcome(0.5, 1.0)

    monkeypatch.setattr(Trial, "run", run)
    assert len(chosen().run()) == 12
    assert {compiled for compiled, _ in seen} == {True}
    assert threading.current_thread().name not in {name for _, name in seen}

    seen.clear()
    evaluation = chosen(precision="fp32")
    assert evaluation.concurrent == 1
    assert len(evaluation.run()) == 12
    assert set(seen) == {(False, threading.current_thread().name)}


def test_networks_of_both_kinds_are_all_observed(
    chosen: Callable[..., Evaluation], threads: Callable[[int], None]
):
    threads(2)
    evaluation = chosen(networks=("convnet2-w4", "convnet1-w4-bn"))
    planned = [(t.seed, t.size, t.name, t.set) for t in evaluation.planned]
    assert [(o.seed, o.size, o.network, o.set) for o in evaluation.run()] == planned


def test_after_a_failure_what_is_left_can_be_asked_for_again(
    chosen: Callable[..., Evaluation],
    threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
):
    threads(2)
    whole = known(chosen().run())
    evaluation, original, fails = chosen(), Trial.run, [True]

    def run(self: Trial, *, compiled: bool) -> Outcome:
        if (self.size, self.seed) == (2, 1) and fails:
            fails.clear()
            raise RuntimeError("once")
        return original(self, compiled=compiled)

    monkeypatch.setattr(Trial, "run", run)
    with pytest.raises(RuntimeError, match="once"):
        evaluation.run()
    assert 0 < len(evaluation) < 12
    assert known(evaluation.run()) == whole
    with pytest.raises(StopIteration):
        next(evaluation)


def test_an_evaluation_that_is_dropped_ends_its_trainings(
    chosen: Callable[..., Evaluation],
    threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
):
    threads(2)
    original, begun, ended = Trial.run, threading.Event(), list[BaseException | None]()

    def run(self: Trial, *, compiled: bool) -> Outcome:
        if (self.size, self.set) == (1, "condensed"):
            begun.wait(timeout=10)
            return Outcome(0.5, 1.0)
        begun.set()
        try:
            for _ in range(1000):
                original(self, compiled=compiled)
        except BaseException as error:
            ended.append(error)
            raise

    monkeypatch.setattr(Trial, "run", run)
    evaluation = chosen()
    next(evaluation)
    del evaluation
    assert len(ended) == 1
