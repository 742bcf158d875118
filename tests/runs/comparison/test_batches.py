"""Which runs go on together, and how they are initialised."""

from __future__ import annotations

from dataclasses import replace

import torch

from condensery.condensing.loop import initial_state, run_together
from condensery.runs.comparison.batches import batched, initial_states
from condensery.runs.comparison.rows import compared_row
from condensery.runs.comparison.sets import planned_sets


def runs(words, data, options):
    found = {}
    for word in words:
        row = compared_row(word, base="idc")
        for each in planned_sets(row, data, replace(options, sizes=(1, 3))):
            found.update({run.name: run for run in each.runs})
    return list(found.values())


def test_mdc_and_the_three_baselines_share_everything(digits, tiny):
    (batch,) = batched(runs(["mdc", "a", "b", "c"], digits, tiny))
    assert len(batch.runs) == 5  # mdc, two of A (one is C, one the first of B), two of B
    assert batch.alone == ""
    assert batch.updates == 1


def test_runs_that_cannot_share_are_alone_and_say_why(digits, tiny):
    first, *rest = batched(runs(["c", "mdc", "dream"], digits, tiny))
    assert len(first.runs) == 2
    (dream,) = rest
    assert [run.name for run in dream.runs] == ["dream-one-ipc3"]
    assert dream.alone == "another sampler"


def test_runs_whose_networks_see_the_set_are_never_together(digits, tiny):
    options = type(tiny)(ipc=3, preset="smoke", network="convnet2-w4")
    found = batched(runs(["dc", "dc:all"], digits, options))
    assert [len(batch.runs) for batch in found] == [1, 1]
    assert found[0].alone == "its networks are trained on the set itself"


def test_run_k_of_b_begins_with_rank_k_of_the_full_start(digits, tiny):
    (planned,) = planned_sets(compared_row("b", base="idc"), digits, replace(tiny, sizes=(1, 3)))
    states = initial_states(planned.runs, digits, seed=5)
    whole = initial_state(planned.runs[1].source, digits, seed=5).stored
    for rank, state in enumerate(states):
        assert torch.equal(state.stored.images, whole.images[whole.rank == rank])
        assert state.stored.rank.tolist() == [0] * 10
        assert state.stored.class_.tolist() == list(range(10))


def test_a_run_of_b_goes_on_like_any_other_of_one_image(digits, tiny):
    (planned,) = planned_sets(compared_row("b", base="idc"), digits, replace(tiny, sizes=(1, 3)))
    recipes = [run.recipe for run in planned.runs]
    states = initial_states(planned.runs, digits, seed=5)
    *_, last = run_together(recipes, digits, seed=5, states=states)
    for progress, state in zip(last, states, strict=True):
        assert progress.state.outer == 1
        assert progress.losses.keys() == {"1"}
        assert not torch.equal(progress.state.stored.images, state.stored.images)
