"""The timeline of the most learnable subset, by a sequence written by hand.

Distances are put so that the choices are 1 (always the first), 5, 3, 8, 2 of N = 9, one a period.
The paper freezes the choice before, if the new one is larger; the release the largest earlier
choice below the new one.
"""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.objectives import DistributionMatching
from condensery.condensing.sizes import MostLearnable
from condensery.errors import ConfigError
from condensery.rng import stream

CHOICES = (1, 5, 3, 8, 2)
N = 9


def distances_for(choices, *, largest=N, classes=2):
    """A table ``[class_, size]`` for every comparison; each moves one size most."""
    table = torch.linspace(5, 1, largest, dtype=torch.float64).repeat(classes, 1)
    tables = [table.clone()]
    for number, choice in enumerate(choices[1:]):
        table = table - 0.01
        table[:, choice - 1] -= 0.3 + 0.1 * number
        tables.append(table.clone())
    return tables


def timeline(policy, tables, *, outers, counts=(N, N), inner=1):
    """What is matched and frozen at every outer iteration: ``(chosen, frozen)`` of each class."""
    state, seen, left = policy.init(torch.tensor(counts)), [], list(tables)
    for outer in range(outers):
        profiles = policy.sets(state, outer=outer, rng=stream(0)).images.tolist()
        assert profiles[0] == [max(counts)] * len(counts)
        chosen = profiles[1] if len(profiles) > 1 else [0] * len(counts)
        seen.append((chosen, policy.frozen(state, outer=outer).tolist()))
        if policy.measures(outer):
            table = left.pop(0) if len(left) > 1 else left[0]  # the last one stays
            for _ in range(inner):
                state = policy.observe(state, table)
        state = policy.close(state, outer=outer)
    return seen


def shared(seen):
    """Choices and freezes where all classes share them."""
    assert all(len(set(chosen)) == len(set(frozen)) == 1 for chosen, frozen in seen)
    return [chosen[0] for chosen, _ in seen], [frozen[0] for _, frozen in seen]


def test_choices_are_made_after_the_first_iteration_and_at_the_end_of_every_period():
    policy = MostLearnable(period=3)
    assert [outer for outer in range(10) if policy.measures(outer)] == [0, 2, 5, 8]
    chosen, _ = shared(timeline(policy, distances_for(CHOICES), outers=12))
    assert chosen == [0, 1, 1, 5, 5, 5, 3, 3, 3, 8, 8, 8]


def test_the_paper_freezes_the_choice_before_where_the_new_one_is_larger():
    _, frozen = shared(timeline(MostLearnable(period=3), distances_for(CHOICES), outers=15))
    assert frozen == [0, 0, 0, 1, 1, 1, 0, 0, 0, 3, 3, 3, 0, 0, 0]


def test_the_release_freezes_the_largest_earlier_choice_below_the_new_one():
    policy = MostLearnable(period=3, freeze="released")
    _, frozen = shared(timeline(policy, distances_for(CHOICES), outers=15))
    assert frozen == [0, 0, 0, 0, 1, 1, 1, 1, 1, 5, 5, 5, 1, 1, 1]
    assert not policy.freezes_exactly


def test_nothing_is_frozen_if_so_asked():
    policy = MostLearnable(period=3, freeze="none")
    _, frozen = shared(timeline(policy, distances_for(CHOICES), outers=15))
    assert not any(frozen)


def test_only_exact_freezing_holds_the_bits():
    assert MostLearnable().freezes_exactly
    assert not MostLearnable(freeze="none").freezes_exactly


def test_the_number_of_inner_steps_that_are_averaged_does_not_matter():
    one, many = (
        timeline(MostLearnable(period=2), distances_for(CHOICES), outers=10, inner=inner)
        for inner in (1, 7)
    )
    assert one == many


def test_distances_are_averaged_over_the_inner_steps():
    """The mean moves size 2 most; either single step would say another size."""
    policy = MostLearnable(period=1)
    state = policy.init(torch.tensor([4]))
    state = policy.close(policy.observe(state, torch.tensor([[3.0, 3, 3, 0]])), outer=0)
    for table in ([[0.0, 1, 3, 0]], [[6.0, 1, 3, 0]], [[3.0, 1, 5, 0]]):
        state = policy.observe(state, torch.tensor(table))
    assert policy.close(state, outer=1)["chosen"].tolist() == [2]


def test_a_rise_counts_like_a_fall_and_the_full_set_is_no_candidate():
    policy = MostLearnable(period=1)
    before, after = torch.tensor([[3.0, 3, 3, 3]]), torch.tensor([[3.1, 3, 3.4, 90]])
    assert shared(timeline(policy, [before, after, after], outers=3, counts=(4,)))[0] == [0, 1, 3]


def test_classes_share_the_choice_of_their_mean_or_choose_alone():
    before = torch.tensor([[3.0, 3, 3, 0], [3, 3, 3, 0]])
    after = torch.tensor([[2.0, 2.2, 3, 0], [3, 2.2, 2, 0]])  # own: 1 and 3; mean: 2
    tables, counts = [before, after, after], (4, 4)
    together = timeline(MostLearnable(period=1), tables, outers=3, counts=counts)
    assert together[2] == ([2, 2], [1, 1])
    alone = timeline(MostLearnable(period=1, classwise=True), tables, outers=3, counts=counts)
    assert alone[2] == ([1, 3], [0, 1])


def test_rounding_decides_between_near_distances(each):
    """Falls of 0, 0.006 and 0.0064; to two decimals 0, 0.01 and 0; to one decimal none."""
    for decimals, expected in each([(-1, 3), (3, 3), (2, 2), (1, 1)]):
        before = torch.tensor([[3.0, 3.0, 3.0049, 0]], dtype=torch.float64)
        after = torch.tensor([[3.0, 2.994, 2.9985, 0]], dtype=torch.float64)
        policy = MostLearnable(period=1, decimals=decimals)
        found = timeline(policy, [before, after, after], outers=3, counts=(4,))
        assert found[2][0] == [expected]


def test_one_image_a_class_has_nothing_to_choose():
    tables = [torch.ones(2, 1)] * 4
    chosen, frozen = shared(timeline(MostLearnable(period=1), tables, outers=4, counts=(1, 1)))
    assert chosen == frozen == [0, 0, 0, 0]


def test_two_images_a_class_have_one_candidate():
    tables = [torch.tensor([[float(n), 0]] * 2) for n in range(5)]
    chosen, frozen = shared(timeline(MostLearnable(period=1), tables, outers=5, counts=(2, 2)))
    assert chosen == [0, 1, 1, 1, 1]
    assert frozen == [0, 0, 0, 0, 0]


def test_a_state_given_is_not_changed():
    policy = MostLearnable(period=1)
    state = policy.init(torch.tensor([4, 4]))
    for outer in range(3):
        before = {name: tensor.clone() for name, tensor in state.items()}
        table = torch.rand(2, 4, generator=stream(outer))
        after = policy.close(policy.observe(state, table), outer=outer)
        for name, tensor in state.items():
            assert torch.equal(tensor.nan_to_num(9), before[name].nan_to_num(9)), name
        state = after


def test_a_sum_in_float64_does_not_forget_small_changes():
    policy = MostLearnable(period=1)
    state = policy.observe(policy.init(torch.tensor([3])), torch.full((1, 3), 0.1))
    assert state["sum"].dtype == torch.float64


@pytest.mark.parametrize(
    ("choice", "said"),
    [({"period": 0}, r"size_policy\.period = 0"), ({"freeze": "all"}, "known are")],
)
def test_choices_that_cannot_work_are_refused(choice, said):
    with pytest.raises(ConfigError, match=said):
        MostLearnable(**choice)


def test_the_probe_of_the_paper_is_the_feature_distance():
    assert MostLearnable().probe == DistributionMatching()
    assert MostLearnable().period == 100
