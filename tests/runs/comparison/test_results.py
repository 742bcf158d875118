"""What a comparison says of itself: which row is C, and whose published figures stand beside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from condensery.data import Data, load_data
from condensery.runs.comparison.measurement import MeasuredSet, measurement
from condensery.runs.comparison.plan import ComparisonPlan, make_plan
from condensery.runs.comparison.results import content
from condensery.runs.comparison.sets import ComparisonOptions
from condensery.runs.comparison.status import networks_of
from condensery.selection import random_selection


@pytest.fixture(scope="module")
def data() -> Data:
    """Digits under the name of a data set that papers report."""
    digits = load_data("digits")
    return replace(
        digits,
        name="cifar10",
        train=replace(digits.train, name="cifar10"),
        test=replace(digits.test, name="cifar10"),
    )


def planned(
    data: Data, *methods: str, base: str = "idc", sizes: tuple[int, ...] = (1, 10)
) -> ComparisonPlan:
    options = ComparisonOptions(
        methods=methods,
        ipc=10,
        preset="smoke",
        network="convnet2-w4",
        base=base,
        sizes=sizes,
        condensations=2,
        seed=4,
    )
    return make_plan(
        data,
        options,
        threads=1,
        evaluation={
            "networks": ("convnet2-w4",),
            "seeds": 3,
            "protocol": "idc",
            "labels": None,
            "epochs": None,
            "steps": 2,
            "precision": "fp32",
        },
        created="then",
    )


def test_differences_are_to_c_or_to_the_row_that_is_the_same_run(each, data):
    for methods, base, row in each(
        [
            (("mdc", "c"), "idc", "c"),
            (("mdc", "idc"), "idc", "idc"),
            (("mdc", "idc"), "dream", None),
            (("mdc:one", "mdc"), "mdc", "mdc:one"),
            (("mdc", "random"), "idc", None),
        ]
    ):
        assert planned(data, *methods, base=base).reference == row


def test_sets_that_are_the_same_are_counted_once(data):
    found = planned(data, "a", "b", "c", "random")
    # a: 2 sets; c: one more size; b: 2; random: 2; each for 3 networks of 2 condensations
    assert networks_of(found) == (2 + 1 + 2 + 2) * 3 * 2
    assert len(found.runs) == 2 + 9


def test_published_figures_are_of_the_papers_baselines_alone(data):
    def printed(base: str) -> set[str]:
        own = planned(data, "mdc", "a", "random", base=base)
        images = random_selection(data.train, ipc=10, seed=0)
        evaluated = MeasuredSet(
            row="random", condensation=0, sizes=(1,), images=lambda seed: images
        )
        found = measurement([evaluated], data, seed=4, choices=own.evaluation)
        return set(content(own, data, found, known=[], costs=[]).published)

    assert printed("idc") == {"mdc", "a", "random"}
    assert printed("dream") == {"mdc", "random"}


def test_what_was_taken_is_counted_for_every_row(data):
    own = planned(data, "a", "b", "random", sizes=(1, 2, 10))
    images = random_selection(data.train, ipc=10, seed=0)
    evaluated = MeasuredSet(row="random", condensation=0, sizes=(1,), images=lambda seed: images)
    found = measurement([evaluated], data, seed=4, choices=own.evaluation)
    made = content(own, data, found, known=[], costs=[]).made
    assert {name: (each.runs, each.stored) for name, each in made.items()} == {
        "a": (3, 1 + 2 + 10),
        "b": (10, 10),
        "random": (0, 10),
    }


def test_a_table_says_which_sets_the_networks_had_not_learned(each, data):
    own = planned(data, "random")
    images = random_selection(data.train, ipc=10, seed=0)
    evaluated = MeasuredSet(row="random", condensation=0, sizes=(1,), images=lambda seed: images)
    found = measurement([evaluated], data, seed=4, choices=own.evaluation)
    trained = [found.named(observation) for observation in found.evaluation]
    for share, text in each([(0.5, "random 50.0 % (size 1)"), (1.0, ""), (None, "")]):
        known = [replace(observation, training_accuracy=share) for observation in trained]
        shown = content(own, data, found, known=known, costs=[])
        notes = " ".join(shown.notes(shown.tables[0]))
        assert ("Not learned" in notes) is bool(text)
        assert text in notes
