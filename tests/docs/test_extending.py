"""The code of docs/extending.md, run as it stands there."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from condensery import condense, evaluate, registry
from condensery.data import load_data
from condensery.engines import Autograd, OnePass
from condensery.methods import recipe_for
from condensery.networks import build
from condensery.recipe import changed, from_json, to_json
from condensery.types import Examples, Groups, StepContext

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"


def code(title: str) -> str:
    """The block of the page with this title."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf'^```python title="[^"]*{re.escape(title)}"\n(.*?)^```$', text, re.M | re.S)
    assert found, f"docs/extending.md has no block titled {title}"
    return found[1]


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> type:
    """The objective, named in recipes as the page says."""
    module = ModuleType("condensery.objectives.moments")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclass looks
    exec(compile(code("objectives/moments.py"), str(PAGE), "exec"), vars(module))
    monkeypatch.setitem(registry._parts["objective"], "moments", module.MomentMatching)
    return module.MomentMatching


def examples(count: int, *, seed: int) -> Examples:
    rng = torch.Generator().manual_seed(seed)
    class_ = torch.arange(count) % 2
    images = torch.rand(count, 1, 8, 8, generator=rng)
    return Examples(images=images, labels=class_, class_=class_, rank=torch.arange(count) // 2)


def bound(objective: object, *, engine: object):
    network = build("convnet1", channels=1, classes=2, side=(8, 8), seed=0, path=("test",))
    return objective.bind(
        StepContext(at=(0, 0), network=network),
        examples(12, seed=0),
        lambda shown: shown.images,
        engine=engine,
        classes_per_pass=1,
    )


def test_the_page_shows_twenty_lines_of_code():
    body = code("objectives/moments.py").partition("def bind")[2]
    lines = [line for line in body.splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 20


def test_the_objective_is_0_for_the_real_images_and_above_for_others(moments: type):
    match = bound(moments(), engine=Autograd())
    own = torch.tensor([True, False]).repeat(6)[None, :]
    group = Groups(member=own, class_=torch.tensor([0]), size=torch.tensor([6]))
    assert match(examples(12, seed=0), group).item() == pytest.approx(0, abs=1e-9)
    assert match(examples(12, seed=1), group).item() > 1e-3


def test_the_second_moment_counts_by_its_weight(moments: type):
    group = Groups(
        member=torch.tensor([[True, False] * 6]), class_=torch.tensor([0]), size=torch.tensor([6])
    )
    none, half, one = (
        bound(moments(square=w), engine=Autograd())(examples(12, seed=1), group).item()
        for w in (0.0, 0.5, 1.0)
    )
    assert none < half < one
    assert half - none == pytest.approx((one - none) / 4)


def test_the_objective_is_the_same_in_a_fast_engine_and_a_group_sees_its_examples_only(
    moments: type,
):
    one = Groups(
        member=torch.tensor([[True, False, True, False], [True, False, False, False]]),
        class_=torch.tensor([0, 0]),
        size=torch.tensor([2, 1]),
    )
    slow, fast = (bound(moments(), engine=engine) for engine in (Autograd(), OnePass()))
    given = examples(4, seed=1)
    assert slow(given, one).allclose(fast(given, one))
    moved = given.with_images(given.images.clone())
    moved.images[2] += 0.5
    before, after = slow(given, one), slow(moved, one)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_recipe_names_it_and_reads_it_back(moments: type):
    data = load_data("digits").train
    recipe = changed(recipe_for("dm", data, ipc=2, preset="smoke"), "objective", "moments")
    recipe = changed(recipe, "objective.square", "0.5")
    assert recipe.objective == moments(square=0.5)
    assert from_json(to_json(recipe)) == recipe
    assert replace(recipe, objective=moments()) != recipe


def test_any_method_condenses_all_sizes_with_it(moments: type):
    settings = {"objective": "moments", "objective.square": "0.5", "iterations": "2"}
    data = load_data("digits")
    run = condense(data, method="dm", ipc=2, preset="smoke", sizes="all", settings=settings)
    assert all(set(progress.losses) == {"1", "2"} for progress in run)
    assert run.result().manifest["recipe"]["objective"] == {"kind": "moments", "square": 0.5}


def test_the_network_of_the_page_is_matched_under_and_tested_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "mine.py").write_text(code("mine.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    data, name = load_data("digits"), "mine:small"
    settings = {"iterations": "1"}
    condensed = condense(
        data, method="dm", ipc=1, preset="smoke", network=name, settings=settings
    ).result()
    assert condensed.manifest["recipe"]["network"] == name
    (seen,) = evaluate(condensed, data, networks=[name], seeds=1, steps=2, beside=[])
    assert seen.network == name
    sys.modules.pop("mine")
