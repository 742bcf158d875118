"""What is checked before a run: no method is refused, and what would fail later fails there."""

from __future__ import annotations

import pytest

from condensery.data import load_data
from condensery.errors import UnsupportedNetwork
from condensery.methods import recipe_for
from condensery.parts import changed
from condensery.registry import names
from condensery.runs.machine import check_engine


@pytest.fixture(scope="module")
def train():
    return load_data("digits").train


def test_every_method_passes_the_check_before_a_run(each, train):
    for name in each(names("method")):
        check_engine(recipe_for(name, train, ipc=2, preset="smoke"), train, seed=0)


def test_an_expert_that_cannot_classify_is_refused_before_the_run(each, train):
    for name in each(["dance", "tgdd"]):  # the class term of dance is in every second update
        recipe = recipe_for(name, train, ipc=2, preset="smoke")
        with pytest.raises(UnsupportedNetwork, match="under = 'network'"):
            check_engine(changed(recipe, "network", "convnet2-w4-bn"), train, seed=0)
