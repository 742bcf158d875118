"""What is learned besides the images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from condensery.condensing.loop import initial_state, run
from condensery.condensing.objectives import Objective
from condensery.condensing.recipe import from_json, to_json
from condensery.condensing.updates import SGD, LearnedLabels, LearnedLR
from condensery.errors import ConfigError
from condensery.parts import changed
from condensery.types import Examples


def stored():
    images = torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    class_ = torch.tensor([0, 1, 0, 1])
    return Examples(
        images=images, labels=class_.clone(), class_=class_, rank=torch.tensor([0, 0, 1, 1])
    )


def test_labels_start_one_hot():
    labels = LearnedLabels().init(stored(), classes=3).labels
    assert labels.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert labels.dtype == torch.float32


def test_a_learning_rate_is_kept_above_its_least():
    part = LearnedLR(initial=0.5, minimum=0.1)
    begun = part.init(stored(), classes=3)
    assert begun.learned_lr == 0.5
    assert part.project(replace(begun, learned_lr=torch.tensor(-3.0))).learned_lr == pytest.approx(
        0.1
    )
    assert part.project(begun).learned_lr == 0.5


def test_a_learning_rate_that_cannot_be_is_refused(each):
    for given in each([{"initial": 0.0}, {"minimum": 0.0}, {"initial": 1.0, "minimum": 2.0}]):
        with pytest.raises(ConfigError, match=r"learned_lr\.initial"):
            LearnedLR(**given)


def test_a_learning_rate_belongs_to_all_rows():
    begun = LearnedLR(initial=0.5).init(stored(), classes=3)
    assert begun.rows(torch.tensor([1])).learned_lr == 0.5
    assert begun.to("cpu").learned_lr == 0.5


@dataclass(frozen=True)
class Quadratic(Objective):
    """sum over members of (labels - 1)^2, + images^2, + (step - 2)^2."""

    all_classes: ClassVar[bool] = True
    uses_engine: ClassVar[bool] = False

    def bind(self, moment, real, view, *, engine, classes_per_pass):
        def match(examples, groups):
            own = (examples.labels - 1).square().sum(dim=1)
            own = own + examples.images.square().flatten(1).sum(dim=1)
            return groups.member.float() @ own + (examples.learned_lr - 2).square()

        return match


def test_everything_that_is_learned_takes_its_own_step(small_recipe, small_data):
    recipe = replace(
        small_recipe,
        objective=Quadratic(),
        update=SGD(lr=0.25),
        labels=LearnedLabels(update=SGD(lr=0.5)),
        learned_lr=LearnedLR(initial=1.0, update=SGD(lr=0.25)),
        iterations=1,
    )
    before = initial_state(recipe, small_data, seed=0).stored
    after = list(run(recipe, small_data, seed=0))[-1].state
    assert torch.allclose(after.stored.images, before.images / 2)
    assert torch.equal(after.stored.labels, torch.ones_like(before.labels))
    assert after.stored.learned_lr == 1.5
    assert set(after.update) == {"images", "labels", "learned_lr"}


def test_an_objective_that_ignores_labels_cannot_learn_them(small_recipe, small_data):
    recipe = replace(small_recipe, labels=LearnedLabels())
    with pytest.raises(ConfigError, match="labels cannot be learned"):
        list(run(recipe, small_data, seed=0))


def test_what_is_learned_survives_json_and_can_be_set(small_recipe):
    learned = changed(small_recipe, "labels", "learned")
    assert learned.labels == LearnedLabels()
    assert from_json(to_json(learned)) == learned
    assert changed(learned, "labels", "none").labels is None
    again = changed(changed(small_recipe, "learned_lr", "learned"), "learned_lr.initial", "0.3")
    assert again.learned_lr == LearnedLR(initial=0.3)
