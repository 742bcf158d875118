"""Sets that run together get the bits that they get alone, and what they share is done once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
import torch

from condensery.condensing.loop import SHARED, initial_state, run_together
from condensery.condensing.objectives import DistributionMatching
from condensery.condensing.progress import State
from condensery.condensing.schedules import Redraw
from condensery.condensing.sizes import AllSizes, MostLearnable, OneSize
from condensery.condensing.updates import Adam
from condensery.errors import ConfigError
from condensery.parameterizations import MultiFormation
from condensery.training import SGDTraining, Trainer


def same(found, expected):
    a, b = found.tensors(), expected.tensors()
    assert sorted(a) == sorted(b)
    for name in a:
        assert torch.equal(a[name].nan_to_num(7.5), b[name].nan_to_num(7.5)), name


@pytest.fixture
def several(small):
    """Recipes that differ in all that concerns a set alone."""
    return [
        small.recipe(ipc=1),
        small.recipe(ipc=2, size_policy=OneSize(), update=Adam(lr=0.02)),
        small.recipe(size_policy=MostLearnable(period=1)),
        small.recipe(size_policy=AllSizes(), objective=DistributionMatching()),
        small.recipe(parameterization=MultiFormation(factor=2)),
    ]


def together(small, recipes, states=None, **more):
    data = small.data()
    if states is None:
        states = [initial_state(recipe, data, seed=small.seed) for recipe in recipes]
    return list(run_together(recipes, data, seed=small.seed, states=states, **more))


@pytest.mark.parametrize(("taken", "count"), [("one-pass", 2), ("fused", 1), ("fused", 3)])
def test_every_set_gets_the_bits_that_it_gets_alone(small, several, taken, count, threads):
    threads(count)
    several = [replace(recipe, engine=taken) for recipe in several]
    shared = together(small, several)
    for place, recipe in enumerate(several):
        alone = small.run(recipe)
        assert len(alone) == len(shared)
        for a, b in zip(alone, shared, strict=True):
            assert (a.outer, a.inner, a.boundary, a.losses) == (
                b[place].outer,
                b[place].inner,
                b[place].boundary,
                b[place].losses,
            )
        same(shared[-1][place].state, alone[-1].state)


def test_a_start_from_another_seed_stays_its_own(small):
    recipe, data = small.recipe(), small.data()
    states = [initial_state(recipe, data, seed=seed) for seed in (small.seed, 99)]
    first, second = together(small, [recipe, recipe], states)[-1]
    same(first.state, small.run(recipe)[-1].state)
    same(second.state, small.run(recipe, state=states[1])[-1].state)
    assert not torch.equal(first.state.stored.images, second.state.stored.images)


def test_going_on_together_from_a_boundary_gives_the_same_bits(small, several):
    whole = together(small, several)
    half = next(p for p in whole if p[0].boundary and p[0].outer == 1)
    states = [State.from_tensors(p.state.outer, p.state.tensors()) for p in half]
    for a, b in zip(together(small, several, states)[-1], whole[-1], strict=True):
        same(a.state, b.state)


def test_networks_are_trained_once_for_all_sets(small, several, monkeypatch):
    steps = []
    original = Trainer.step

    def counted(self, *given, **named):
        steps.append(1)
        return original(self, *given, **named)

    monkeypatch.setattr(Trainer, "step", counted)
    small.run(several[0])
    alone = len(steps)
    together(small, several)
    assert alone > 0
    assert len(steps) == 2 * alone


def test_real_targets_are_computed_once_for_sets_of_one_objective(small):
    calls = []

    @dataclass(frozen=True)
    class Counted(DistributionMatching):
        all_classes: ClassVar[bool] = False

        def bind(self, *given, **named):
            calls.append(1)
            return DistributionMatching().bind(*given, **named)

    recipes = [small.recipe(ipc=ipc, objective=Counted()) for ipc in (1, 2, 3)]
    together(small, recipes)
    moments = recipes[0].iterations * recipes[0].schedule.inner
    assert len(calls) == moments


@dataclass(frozen=True)
class Watched(DistributionMatching):
    """Says when it is matched, and lets matches that begin at the same time meet."""

    all_classes: ClassVar[bool] = False
    uses_engine: ClassVar[bool] = True

    now: list[int] = field(default_factory=list, compare=False)
    seen: list[int] = field(default_factory=list, compare=False)
    patience: float = 10

    def bind(self, *given, **named):
        match, two = DistributionMatching().bind(*given, **named), threading.Event()

        def watched(*given):
            self.now.append(1)
            self.seen.append(len(self.now))
            if len(self.now) == 2:
                two.set()
            two.wait(self.patience)
            found = match(*given)
            self.now.pop()
            return found

        return watched


@dataclass(frozen=True)
class WatchedWithoutEngine(Watched):
    uses_engine: ClassVar[bool] = False


@pytest.mark.parametrize(
    ("change", "kind", "concurrent"),
    [
        ({"engine": "fused"}, Watched, 2),
        ({"engine": "fused", "saved_activations": 4}, Watched, 1),  # maps of one set alone fit
        ({"engine": "fused", "batch": 2}, Watched, 1),  # of the other a class does not
        ({"engine": "one-pass"}, Watched, 1),  # takes all threads
        ({"engine": "fused"}, WatchedWithoutEngine, 1),  # may call modules
    ],
)
def test_sets_are_matched_side_by_side_where_that_is_as_good(
    small, change, kind, concurrent, threads
):
    threads(2)
    watched = kind(patience=10 if concurrent == 2 else 0.01)
    change = {"objective": watched, "iterations": 1, **change}
    together(small, [small.recipe(ipc=ipc, **change) for ipc in (2, 3)])
    assert max(watched.seen) == concurrent


@pytest.mark.parametrize(("taken", "passes"), [("fused", 1), ("one-pass", 2)])
def test_small_classes_are_matched_in_one_pass_where_the_engine_is_idle_otherwise(
    small, taken, passes
):
    watched = Watched(patience=0)
    blocks = {"classes_per_pass": 1, "classes_per_block": 2}
    recipe = small.recipe(objective=watched, engine=taken, **blocks)
    small.run(recipe)
    assert len(watched.seen) == passes * recipe.iterations * recipe.schedule.inner


@pytest.mark.parametrize(
    "change",
    [
        {"network": "convnet2-w5"},
        {"iterations": 2},
        {"schedule": Redraw(inner=3, steps=1, training=SGDTraining(batch=4))},
        {"engine": "autograd"},
    ],
    ids=str,
)
def test_sets_that_cannot_share_are_refused_naming_the_key(small, change):
    (key,) = change
    assert key in SHARED
    recipes = [small.recipe(), replace(small.recipe(), **change)]
    with pytest.raises(ConfigError, match=rf"cannot run together: {key} is"):
        together(small, recipes)


def test_sets_at_different_iterations_are_refused(small):
    recipe = small.recipe()
    boundary = [p.state for p in small.run(recipe) if p.boundary]
    with pytest.raises(ConfigError, match=r"\[1, 2\] outer iterations"):
        together(small, [recipe, recipe], boundary[:2])


def test_networks_that_depend_on_the_set_cannot_be_shared(small):
    @dataclass(frozen=True)
    class OnTheSet(Redraw):
        reads_synthetic: ClassVar[bool] = True

    recipe = small.recipe(schedule=OnTheSet(inner=1, steps=0))
    together(small, [recipe])
    with pytest.raises(ConfigError, match="trains networks on the set itself"):
        together(small, [recipe, recipe])
