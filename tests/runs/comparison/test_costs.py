"""What is left is counted from seconds of single steps, by a clock that ticks once a look."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from condensery.data import load_data
from condensery.engines.fused.blocks import EAGER
from condensery.evaluation import EvaluatedSet, protocol_for
from condensery.runs.comparison import costs
from condensery.runs.comparison.batches import RunBatch, batched
from condensery.runs.comparison.costs import BatchCost, batch_cost, evaluation_cost
from condensery.runs.comparison.rows import compared_row
from condensery.runs.comparison.sets import planned_sets

LENGTH = (("iterations", "2"), ("schedule.inner", "3"), ("schedule.steps", "2"))


def ticking():
    ticks = count()
    return lambda: float(next(ticks))


@pytest.fixture
def batch(digits, tiny) -> RunBatch:
    """A's runs for 1, 2 and 3 images per class."""
    options = replace(tiny, settings=LENGTH, sizes=(1, 2, 3))
    sets = planned_sets(compared_row("a", base="idc"), digits, options)
    (found,) = batched(run for each in sets for run in each.runs)
    return found


def test_image_updates_and_network_steps_are_counted(digits, batch):
    found = batch_cost(batch, digits, seed=0, clock=ticking())
    assert (found.update, found.taken, found.once) == (1.0, 3, 0.0)
    assert found.training == 2 * (3 - 1) * 2
    assert found.seconds(done=0.0) == 6 + 8
    assert found.seconds(done=0.5) == 7


def test_sets_that_are_not_taken_count_by_their_examples(digits, batch, monkeypatch):
    monkeypatch.setattr(costs, "QUICK", 0.0)
    found = batch_cost(batch, digits, seed=0, clock=ticking())
    assert (found.taken, found.update) == (1, 1 + 2 + 3)


def test_what_is_prepared_once_is_not_counted_again(batch):
    found = BatchCost(batch=batch, update=2.0, taken=3, training=8.0, once=30.0)
    assert found.seconds(done=0.75) == 30 + (6 * 2 + 8) / 4


def test_a_clustering_sampler_is_counted_too(digits, tiny):
    options = replace(tiny, settings=(*LENGTH, ("sampler.every", "2")), sizes=(3,))
    (planned,) = planned_sets(compared_row("dream", base="idc"), digits, options)
    times = iter([*range(6), *(float(x) for x in range(100, 106)), 200.0, 207.0])
    found = batch_cost(
        RunBatch(runs=planned.runs), digits, seed=0, clock=lambda: float(next(times))
    )
    # two clusterings an iteration, each of 7 s but for the image update
    assert found.training == 8 + 2 * 2 * (7 - 1)


@pytest.mark.parametrize(("compiled", "concurrent"), [("false", 1), ("true", 2)])
def test_steps_of_experts_are_counted_by_how_many_are_trained_at_once(
    digits, tiny, threads, monkeypatch, compiled, concurrent
):
    threads(2)
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    monkeypatch.setattr("condensery.experts.buffer.MOST_IN_MEMORY", 20_000)  # they have a folder
    settings = {
        "trajectories": "4",
        "max_start_epoch": "2",
        "span": "1",
        "steps": "3",
        "compiled": compiled,
    }
    options = tuple((f"schedule.{key}", value) for key, value in settings.items())
    options = replace(tiny, settings=(("iterations", "1"), *options), sizes=(3,))
    sets = planned_sets(compared_row("mtt", base="idc"), digits, options)
    (batch,) = batched(run for each in sets for run in each.runs)
    found = batch_cost(batch, digits, seed=0, clock=ticking())
    assert found.training == 4 * 2 * 3 / concurrent


@pytest.mark.parametrize(("precision", "concurrent"), [("fp32", 1), ("bf16", 2)])
def test_networks_that_test_are_counted_by_the_images_of_their_batches(
    digits, tiny, threads, monkeypatch, precision, concurrent
):
    threads(2)
    monkeypatch.setattr(costs, "FUSED_AFTER", 1)  # compiled in bf16, here by the eager reference
    monkeypatch.setattr(costs, "cannot_compile", lambda: None)
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    data = load_data("digits")
    sets = planned_sets(compared_row("a", base="idc"), digits, replace(tiny, sizes=(1, 2, 3)))
    choices = {"networks": ("convnet2-w4",), "seeds": 3, "precision": precision}
    evaluated = EvaluatedSet(data="digits", ipc=3, method="idc")
    found = evaluation_cost(
        sets,
        data,
        protocol=protocol_for("idc", evaluated, steps=2),
        choices=choices,
        left=0.5,
        clock=ticking(),
    )
    batches = 2 * (10 + 20 + 30) / 64
    tests = 3 * len(data.test) / 256
    assert found.step == {"convnet2-w4": 1.0}
    assert found.seconds == pytest.approx(0.5 * 3 * (batches / concurrent + tests))
