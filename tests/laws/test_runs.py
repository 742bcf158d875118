"""Laws 8 to 10: resuming is exact, draws depend on names alone, no global random state."""

from __future__ import annotations

import random  # noqa: TID251 - to see that nobody else does
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from condensery.augment import Augment, Siamese
from condensery.checkpoint import load_latest, save_checkpoint
from condensery.condensing.loop import initial_state
from condensery.condensing.progress import State
from condensery.condensing.samplers import RandomPerClass, Sampler
from condensery.condensing.schedules import Redraw, Schedule
from condensery.condensing.sizes import AllSizes, MostLearnable, OneSize, RandomSize
from condensery.parameterizations import Pixels
from condensery.rng import stream


def same_state(found, expected):
    a, b = found.tensors(), expected.tensors()
    assert sorted(a) == sorted(b)
    assert found.outer == expected.outer
    for name in a:
        assert a[name].dtype == b[name].dtype
        assert torch.equal(a[name].nan_to_num(7.5), b[name].nan_to_num(7.5)), name


def test_going_on_from_a_checkpoint_gives_the_same_bits(each, small, tmp_path_factory):
    for sizes, update in each(small.every("size_policy", "update")):
        tmp_path = tmp_path_factory.mktemp("case")
        recipe = small.recipe(size_policy=sizes, update=update, iterations=6, schedule=small.short)
        whole = small.run(recipe)
        half = next(p for p in whole if p.boundary and p.outer == 2)
        save_checkpoint(tmp_path, step=3, tensors=half.state.tensors(), facts={})
        loaded = load_latest(tmp_path, pytest.fail)
        assert loaded is not None
        state = State.from_tensors(loaded.step, loaded.tensors)
        same_state(state, half.state)
        rest = small.run(recipe, state=state)
        same_state(rest[-1].state, whole[-1].state)
        assert [(p.outer, p.inner, p.losses, p.frozen) for p in rest] == [
            (p.outer, p.inner, p.losses, p.frozen) for p in whole if p.outer >= 3
        ]


def test_a_shorter_run_is_the_start_of_a_longer_one(each, small):
    for sizes in each(small.every("size_policy")):
        recipe = small.recipe(size_policy=sizes, iterations=3, schedule=small.short)
        longer, shorter = small.run(recipe), small.run(replace(recipe, iterations=2))
        half = next(p for p in longer if p.boundary and p.outer == 1)
        assert shorter[-1].boundary
        assert shorter[-1].state.outer == 2
        same_state(shorter[-1].state, half.state)


def test_going_on_gives_the_same_bits_for_every_objective_and_parameterization(each, small):
    for objective, parameterization in each(small.every("objective", "parameterization")):
        recipe = small.recipe(
            objective=objective,
            parameterization=parameterization,
            size_policy=MostLearnable(period=1),
            iterations=3,
            schedule=small.short,
        )
        whole = small.run(recipe)
        half = next(p.state for p in whole if p.boundary and p.outer == 1)
        rest = small.run(recipe, state=State.from_tensors(half.outer, half.tensors()))
        same_state(rest[-1].state, whole[-1].state)


def test_going_on_gives_the_same_bits_for_every_sampler_and_schedule(each, small):
    """What a sampler remembers and a network learned on the set ends with the iteration."""
    for sampler, schedule in each(small.every("sampler", "schedule")):
        recipe = small.recipe(
            sampler=sampler, schedule=schedule, size_policy=MostLearnable(period=1), iterations=3
        )
        whole = small.run(recipe)
        half = next(p.state for p in whole if p.boundary and p.outer == 0)
        rest = small.run(recipe, state=State.from_tensors(half.outer, half.tensors()))
        same_state(rest[-1].state, whole[-1].state)
        assert len(whole) == 3 * (schedule.inner + 1)


def test_a_start_depends_on_seed_and_data_alone(each, small):
    for parameterization, begun in each(small.every("parameterization", "begun")):
        recipe = small.recipe(init=begun, parameterization=parameterization)
        changes = {
            "engine": "autograd",
            "size_policy": AllSizes(),
            "iterations": 9,
            "classes_per_pass": 1,
        }
        before = torch.random.get_rng_state()
        one, other = (
            initial_state(own, small.data(), seed=small.seed)
            for own in (recipe, replace(recipe, **changes))
        )
        assert torch.equal(one.stored.images, other.stored.images)
        assert torch.equal(torch.random.get_rng_state(), before)


def test_a_boundary_state_is_not_changed_by_going_on_from_it(small):
    recipe = small.recipe(size_policy=MostLearnable(period=1), iterations=4)
    half = small.run(replace(recipe, iterations=2))[-1].state
    before = {name: tensor.clone() for name, tensor in half.tensors().items()}
    small.run(recipe, state=half)
    for name, tensor in half.tensors().items():
        assert torch.equal(tensor.nan_to_num(7.5), before[name].nan_to_num(7.5))


@dataclass(frozen=True)
class Recorded:
    """Sampler, augmentation and schedule in one, that keep what they gave."""

    sampler: Any
    augment: Any
    schedule: Any
    seen: list[Any] = field(default_factory=list)

    def parts(self) -> dict[str, Any]:
        return {
            "sampler": _Sampler(self.sampler, self.seen.append),
            "augment": _Augment(self.augment, self.seen.append),
            "schedule": _Schedule(self.schedule, self.seen.append),
        }


@dataclass(frozen=True)
class _Sampler(Sampler):
    part: Any
    note: Callable[[Any], None]

    def begin(self, data):
        draw = self.part.begin(data)

        def noted(moment, *, classes, rng):
            drawn = draw(moment, classes=classes, rng=rng)
            self.note(("real", torch.cat([drawn[c] for c in classes])))
            return drawn

        return noted


@dataclass(frozen=True)
class _Augment(Augment):
    shared: ClassVar[bool] = True

    part: Any
    note: Callable[[Any], None]

    def draw(self, *, rng):
        draw = self.part.draw(rng=rng)
        chart = torch.rand(1, 3, 8, 8, generator=stream(0, "chart"))
        self.note(("augment", draw(chart)))
        return draw


@dataclass(frozen=True)
class _Schedule(Schedule):
    part: Any
    note: Callable[[Any], None]

    @property
    def updates(self):
        return self.part.updates

    @property
    def reads_synthetic(self):
        return self.part.reads_synthetic

    def contexts(self, outer, world):
        for moment in self.part.contexts(outer, world):
            weights = torch.cat([p.detach().flatten() for p in moment.network.parameters()])
            self.note(("network", weights))
            yield moment


def draws(small, recipe):
    recorded = Recorded(recipe.sampler, recipe.augment, recipe.schedule)
    small.run(replace(recipe, iterations=2, **recorded.parts()))
    return recorded.seen


def test_nobodys_draws_depend_on_engine_groups_or_ranks(each, small):
    recipe = small.recipe(engine="one-pass")
    expected = draws(small, recipe)
    assert len(expected) == 2 * 2 * 3
    for change in each(
        [
            {"engine": "autograd"},
            {"engine": "fused"},
            {"engine": "auto"},
            {"classes_per_pass": 1},
            {"ipc": 1},
            {"ipc": 5},
            {"size_policy": AllSizes()},
            {"size_policy": RandomSize()},
            {"size_policy": MostLearnable(period=1)},
        ]
    ):
        found = draws(small, replace(recipe, **change))
        assert [kind for kind, _ in found] == [kind for kind, _ in expected]
        for (kind, a), (_, b) in zip(found, expected, strict=True):
            assert torch.equal(a, b), kind


def test_nobodys_draws_depend_on_objective_or_parameterization(each, small):
    expected = draws(small, small.recipe(size_policy=OneSize()))
    for objective, parameterization in each(small.every("objective", "parameterization")):
        found = draws(small, small.recipe(objective=objective, parameterization=parameterization))
        for (kind, a), (_, b) in zip(found, expected, strict=True):
            assert torch.equal(a, b), kind


def test_every_moment_has_draws_of_its_own(small):
    seen = draws(small, small.recipe())
    for kind in ("real", "augment", "network"):
        own = [tensor for name, tensor in seen if name == kind]
        assert len(own) == 4
        for i, a in enumerate(own):
            assert all(not torch.equal(a, b) for b in own[i + 1 :]), kind


def test_another_seed_gives_other_draws(small):
    recipe = small.recipe(iterations=1)
    one, other = (initial_state(recipe, small.data(), seed=seed) for seed in (0, 1))
    assert not torch.equal(one.stored.images, other.stored.images)


def test_a_run_neither_reads_nor_moves_a_global_random_state(each, small):
    for sizes in each(small.every("size_policy")):
        recipe = small.recipe(size_policy=sizes, engine="auto", iterations=2)
        runs = []
        before = torch.random.get_rng_state()
        try:
            for seed in (1, 2):
                torch.random.set_rng_state(stream(seed).get_state())
                states = torch.random.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
                runs.append(small.run(recipe)[-1].state)
                assert torch.equal(torch.random.get_rng_state(), states[0])
                assert random.getstate() == states[1]
                assert str(np.random.get_state()) == str(states[2])  # noqa: NPY002
        finally:
            torch.random.set_rng_state(before)
        same_state(*runs)


def test_the_parts_that_draw_are_those_of_the_recorded_run(small):
    """The recorder itself: without it, the same run."""
    recipe = small.recipe(iterations=2)
    recorded = Recorded(recipe.sampler, recipe.augment, recipe.schedule)
    same_state(
        small.run(replace(recipe, **recorded.parts()))[-1].state, small.run(recipe)[-1].state
    )
    assert isinstance(recipe.sampler, RandomPerClass)
    assert isinstance(recipe.augment, Siamese)
    assert isinstance(recipe.schedule, Redraw)
    assert isinstance(recipe.parameterization, Pixels)
