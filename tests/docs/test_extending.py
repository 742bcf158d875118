"""The package of docs/extending.md, installed and used as the page says.

Each part is used as an object, by its name and by where it is written; nothing of the library is
touched.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import condensery
from condensery import CondensedSet, condense, evaluate, registry, select
from condensery.cli.main import main
from condensery.condensing.objectives import RidgeRegression
from condensery.condensing.recipe import from_json, to_json
from condensery.data import load_data
from condensery.engines import Autograd, OnePass
from condensery.networks import build
from condensery.parts import changed
from condensery.registry import find, names, parts
from condensery.types import Examples, Groups, StepContext

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
PARTS = {
    "objective": ("moments", "memory"),
    "size_policy": ("halves",),
    "parameterization": ("grey",),
    "init": ("brightest",),
    "sampler": ("strided",),
    "schedule": ("one-network",),
    "update": ("signs",),
    "augment": ("brightness",),
    "training": ("plain",),
    "kernel": ("linear",),
    "method": ("halves",),
    "protocol": ("brief",),
    "selection": ("brightest",),
    "layout": ("raw",),
}


def blocks() -> dict[str, str]:
    """The files of the page by name."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r'^```python title="(mine/[^"]*)"\n(.*?)^```$', text, re.M | re.S))


def code(title: str) -> str:
    """The file of the page with this name."""
    return blocks()[title]


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the page, installed: its modules are imported by its entry point."""
    site = tmp_path_factory.mktemp("site")
    (site / "mine").mkdir()
    for name, text in blocks().items():
        (site / name).write_text(text, encoding="utf-8")
    modules = [Path(name).stem for name in blocks()]
    (site / "mine" / "__init__.py").write_text("".join(f"import mine.{m}\n" for m in modules))
    info = site / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[condensery]\nmine = mine\n")
    known = {slot: dict(named) for slot, named in registry._parts.items()}
    monkeypatch.setattr(registry, "_parts", known)
    monkeypatch.syspath_prepend(str(site))
    registry._load_others.cache_clear()
    assert "moments" in names("objective")
    yield site
    registry._load_others.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


@pytest.fixture
def moments(mine: Path) -> type:
    return find("objective", "moments")


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


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
    body = code("mine/moments.py").partition("def bind")[2]
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


def test_the_table_of_the_page_names_every_kind_of_part():
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "register" in line]
    told = re.findall(r'register\("([\w-]+)"', "\n".join(rows))
    assert sorted([*told, "method"]) == sorted(
        slot for slot in registry.SLOTS if slot not in ("labels", "learned_lr")
    )


def test_every_part_of_the_package_has_its_name(mine: Path, capsys):
    for slot, own in PARTS.items():
        assert set(own) <= set(names(slot)), slot
    assert main(["parts", "objective"]) == 0
    assert "moments" in capsys.readouterr().out


def used(slot: str, part: object) -> dict[str, object]:
    """What gives a part to ``condense``."""
    if slot == "training":
        return {"settings": {"schedule.training": part}}
    if slot == "kernel":
        return {"objective": RidgeRegression(kernel=part)}
    return {slot: part}


RECIPE_PARTS = [
    (slot, name)
    for slot, own in PARTS.items()
    for name in own
    if registry.SLOTS[slot].protocol and slot != "kernel"
]


@pytest.mark.parametrize(("slot", "name"), RECIPE_PARTS)
def test_a_part_is_an_object_a_name_and_a_place(mine: Path, digits, slot, name):
    kind = parts(slot)[name]
    needs = {"lr": 0.02} if slot == "update" else {"channels": 1} if name == "grey" else {}
    short = {"iterations": 2}
    if slot == "training":
        short |= {"schedule.steps": 1}
    recipes = []
    for part in (kind(**needs), name, f"{kind.__module__}:{kind.__qualname__}"):
        own = used(slot, part)
        settings = {**own.pop("settings", {}), **short}
        if isinstance(part, str):
            path = "schedule.training" if slot == "training" else slot
            settings |= {f"{path}.{key}": value for key, value in needs.items()}
        run = condense(digits, method="dm", ipc=2, preset="smoke", settings=settings, **own)
        recipes.append(run.recipe)
    assert recipes[1] == recipes[0] == recipes[2]
    assert from_json(json.loads(json.dumps(to_json(recipes[0])))) == recipes[0]
    result = run.result()
    assert {"kind": name, **needs}.items() <= at(result.manifest["recipe"], slot).items()


def at(recipe: dict, slot: str) -> dict:
    return recipe["schedule"]["training"] if slot == "training" else recipe[slot]


def test_a_kernel_is_used_by_a_regression(mine: Path, digits):
    kernel = find("kernel", "linear")()
    settings = {"objective.kernel": "linear", "iterations": 1, "schedule.inner": 1}
    run = condense(digits, method="kip", ipc=1, preset="smoke", settings=settings)
    assert run.recipe.objective.kernel == kernel
    assert run.result().manifest["recipe"]["objective"]["kernel"] == {"kind": "linear"}
    (seen,) = evaluate(run.result(), digits, sizes=[1], seeds=1, baselines=[])
    assert seen.network == "linear"


def test_a_set_of_another_parameterization_is_a_third_and_is_read(mine: Path, tmp_path):
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (24, 3, 8, 8), generator=rng, dtype=torch.uint8)
    data = load_data((images, torch.arange(24) % 2))
    grey = find("parameterization", "grey")()
    made = condense(
        data, method="dm", ipc=2, preset="smoke", parameterization=grey, settings={"iterations": 2}
    ).result()
    assert made.images.shape == (4, 1, 8, 8)
    made.save(tmp_path / "set.safetensors")
    read = CondensedSet.load(tmp_path / "set.safetensors")
    assert read.shape == (3, 8, 8)
    assert read.decode().images.shape == (4, 3, 8, 8)
    (seen,) = evaluate(
        read, data, sizes=[1], networks=["convnet1-w4"], seeds=1, steps=2, baselines=[]
    )
    assert seen.images == 2


def test_a_method_its_protocol_and_a_selection_are_used_by_name(mine: Path, digits):
    settings = {"iterations": 2}
    run = condense(digits, method="halves", ipc=5, preset="smoke", settings=settings)
    assert set(next(iter(run)).losses) == {"5", "2", "1"}
    result = run.result()
    networks = {"sizes": [1], "networks": ["convnet1-w4"], "seeds": 1}
    evaluation = evaluate(result, digits, baselines=["brightest"], **networks)
    assert evaluation.protocol.name == "brief"
    assert {seen.set for seen in evaluation} == {"condensed", "brightest"}
    named = evaluate(result, digits, protocol="mine.method:brief", baselines=[], **networks)
    assert named.protocol == evaluation.protocol
    chosen = select(digits.train, by="brightest", ipc=2)
    own = digits.train.of_class(3)
    brightness = digits.train.pixels(own).flatten(1).mean(dim=1)
    assert chosen.decode(1).images[3].mean().item() == pytest.approx(
        brightness.max().item(), abs=1e-6
    )


def test_a_layout_of_the_package_is_read(mine: Path, tmp_path: Path):
    folder = tmp_path / "mine-raw"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rng.integers(0, 256, (40, 8, 8), dtype=np.uint8).tofile(folder / "pixels.raw")
    (np.arange(40) % 2).astype(np.uint8).tofile(folder / "labels.raw")
    data = load_data(folder)
    assert data.train.channels == 1
    assert len(data.train) + len(data.test) == 40


def test_the_command_of_the_page_runs_with_the_parts_of_the_package(mine: Path, tmp_path: Path):
    out = tmp_path / "run"
    words = ["condense", "digits", "--method", "halves", "--preset", "smoke", "--ipc", "2"]
    words += ["--set", "objective=mine.memory:Memory", "--set", "objective.keep=0.5"]
    words += ["--set", "iterations=1", "--no-evaluate", "--out", str(out)]
    assert main(words) == 0
    recipe = json.loads((out / "recipe.json").read_text())["recipe"]
    assert recipe["objective"] == {"kind": "memory", "keep": 0.5}
    assert recipe["size_policy"] == {"kind": "halves", "weights": "uniform"}
    assert condensery.read_recipe(out / "recipe.json").objective.keep == 0.5


def test_any_method_condenses_all_sizes_with_the_objective(moments: type, digits):
    settings = {"objective": "moments", "objective.square": "0.5", "iterations": "2"}
    run = condense(digits, method="dm", ipc=2, preset="smoke", size_policy="all", settings=settings)
    assert all(set(progress.losses) == {"1", "2"} for progress in run)
    assert run.result().manifest["recipe"]["objective"] == {"kind": "moments", "square": 0.5}
    assert changed(run.recipe, "objective.square", 1).objective == moments()
    assert replace(run.recipe, objective=moments()) != run.recipe


def test_the_network_of_the_page_is_matched_under_and_tested_with(mine: Path, digits):
    name = "mine.network:small"
    assert importlib.import_module("mine.network").small(channels=1, classes=2, side=(8, 8))
    condensed = condense(
        digits, method="dm", ipc=1, preset="smoke", network=name, settings={"iterations": "1"}
    ).result()
    assert condensed.manifest["recipe"]["network"] == name
    (seen,) = evaluate(condensed, digits, networks=[name], seeds=1, steps=2, baselines=[])
    assert seen.network == name
