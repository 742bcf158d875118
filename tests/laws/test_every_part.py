"""Laws that hold for every registered part: a part is under law because it is registered.

Each part runs in a small recipe of ``examples.py``. A part that neither can
be made without arguments nor has an example fails here.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from examples import REGISTERED, recipe_with

import condensery
from condensery.condensing.loop import initial_state, run, run_together
from condensery.condensing.progress import State
from condensery.condensing.recipe import from_json, to_json
from condensery.condensing.sizes import MostLearnable
from condensery.condensing.updates import SGD
from condensery.parts import choices, required
from condensery.registry import check_part, name_of, parts


def inside(part: object) -> list[object]:
    """All parts that an object is made of, itself included."""
    found = [part]
    for name, (slot, _) in choices(type(part)).items():
        value = getattr(part, name)
        if slot is not None and value is not None:
            found += inside(value)
    return found


@pytest.mark.parametrize(("slot", "name"), REGISTERED)
def test_a_part_is_written_run_and_gone_on_with_to_the_bit(small, slot, name, tmp_path):
    recipe = recipe_with(small, slot, name)
    kinds = [type(part) for part in inside(recipe)]
    assert parts(slot)[name] in kinds, f"the example of {slot} {name} does not contain it"
    assert from_json(json.loads(json.dumps(to_json(recipe)))) == recipe
    before = torch.random.get_rng_state()
    whole, again = small.run(recipe), small.run(recipe)
    assert torch.equal(torch.random.get_rng_state(), before)
    half = next(p.state for p in whole if p.boundary)
    state = State.from_tensors(half.outer, half.tensors())
    rest = small.run(recipe, state=state)
    for other in (again[-1], rest[-1]):
        same(other.state, whole[-1].state)
    first = initial_state(recipe, small.data(), seed=small.seed)
    assert not torch.equal(first.stored.images, whole[-1].state.stored.images)


def same(found: State, expected: State) -> None:
    a, b = found.tensors(), expected.tensors()
    assert sorted(a) == sorted(b)
    for name, tensor in b.items():
        assert torch.equal(a[name].nan_to_num(7.5), tensor.nan_to_num(7.5)), name


def test_every_registered_part_has_all_that_its_protocol_asks_for():
    for slot, name in REGISTERED:
        part = parts(slot)[name]
        if not required(part):
            check_part(slot, part())
        assert name_of(slot, part) == name
        assert part.__doc__, f"{slot} {name} says nothing about itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingMean(condensery.Objective):
    """An objective with a state: a moving average of the mean pixel of every class."""

    keep: float = 0.5

    def init(self, examples, *, rng):
        classes = int(examples.class_.max()) + 1
        return {"mean": torch.rand(classes, generator=rng), "steps": torch.zeros(())}

    def advance(self, context, real, examples, view, *, engine):
        state = context.state
        own = [real.images[real.class_ == c].mean() for c in range(len(state["mean"]))]
        return {
            "mean": self.keep * state["mean"] + (1 - self.keep) * torch.stack(own),
            "steps": state["steps"] + 1,
        }

    def bind(self, context, real, view, *, engine, classes_per_pass):
        mean = context.state["mean"]

        def match(examples, groups):
            share = groups.member.to(examples.images.dtype)
            own = share @ examples.images.flatten(1).mean(dim=1) / share.sum(dim=1)
            return (own - mean[groups.class_]).square()

        return match


def test_the_state_of_an_objective_moves_is_kept_and_stays_its_own(small):
    recipe = small.recipe(objective=MovingMean())
    whole = small.run(recipe)
    steps = Counter(int(p.state.objective["steps"]) for p in whole if not p.boundary)
    assert sorted(steps) == list(range(1, 7))
    half = next(p.state for p in whole if p.boundary)
    kept = {name: tensor.clone() for name, tensor in half.objective.items()}
    rest = small.run(recipe, state=State.from_tensors(half.outer, half.tensors()))
    same(rest[-1].state, whole[-1].state)
    assert all(torch.equal(half.objective[name], kept[name]) for name in kept)
    # several sets in one batch: each goes with a state of its own, to the bits that it has alone
    recipes = [recipe, small.recipe(ipc=2, objective=MovingMean(keep=0.9))]
    data = small.data()
    states = [initial_state(each, data, seed=small.seed) for each in recipes]
    together = run_together(recipes, data, seed=small.seed, states=states)
    last = list(together)[-1]
    for each, progress in zip(recipes, last, strict=True):
        same(progress.state, small.run(each)[-1].state)


def test_a_probe_with_a_state_of_its_own_is_refused(small):
    recipe = small.recipe(size_policy=MostLearnable(probe=MovingMean(), period=1))
    with pytest.raises(condensery.errors.ConfigError, match=r"has a state of its own"):
        initial_state(recipe, small.data(), seed=0)
    own = small.recipe(
        objective=MovingMean(), size_policy=MostLearnable(probe=MovingMean(), period=1)
    )
    assert list(run(own, small.data(), seed=0))


def test_the_weight_of_a_size_multiplies_its_gradient(small):
    """With one update of plain descent the step is the weighted sum of the steps of the sizes."""

    @dataclass(frozen=True)
    class Weighted(condensery.SizePolicy):
        weights: tuple[float, ...]

        def sets(self, state, *, outer, rng):
            images = torch.tensor([[3, 3], [1, 1]])
            return condensery.MatchedSets(images=images, weights=torch.tensor(self.weights))

    def moved(*weights: float) -> torch.Tensor:
        recipe = small.recipe(
            size_policy=Weighted(weights), update=SGD(lr=0.05), iterations=1, schedule=small.short
        )
        first = initial_state(recipe, small.data(), seed=small.seed).stored.images
        (step,) = (p for p in small.run(recipe) if not p.boundary)
        return step.state.stored.images - first

    full, one = moved(1.0, 0.0), moved(0.0, 1.0)
    assert torch.allclose(moved(0.5, 2.0), 0.5 * full + 2.0 * one, atol=1e-6)
    assert full.abs().max() > 1e-4
