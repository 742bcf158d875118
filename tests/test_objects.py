"""Parts as objects in Python, and from modules and files of one's own everywhere else."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

import condensery
from condensery import condense, load_data, read_recipe, recipe_for
from condensery.cli.main import main
from condensery.condensing.recipe import check_readable, from_json, recipe_text, to_json
from condensery.errors import ConfigError
from condensery.registry import SLOTS, parts

QUICK = {"iterations": 1, "schedule.inner": 1, "schedule.steps": 0}


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull(condensery.Objective):
    """Mean pixels of the set and of the real images should be alike."""

    all_classes: ClassVar[bool] = False
    weight: float = 1.0

    def bind(self, context, real, view, *, engine, classes_per_pass):
        target = torch.stack([real.images[real.class_ == c].mean(0) for c in real.class_.unique()])

        def match(examples, groups):
            share = groups.member.float()
            own = (share @ examples.images.flatten(1)) / share.sum(dim=1, keepdim=True)
            apart = own - target.flatten(1)[groups.class_]
            return self.weight * apart.square().sum(dim=1)

        return match


def test_every_registered_class_is_a_public_name():
    for slot in SLOTS:
        for part in parts(slot).values():
            if SLOTS[slot].protocol and isinstance(part, type):
                assert getattr(condensery, part.__name__) is part


def test_a_part_is_given_as_an_object_and_a_setting_as_a_number(digits):
    run = condense(
        digits,
        method="dm",
        ipc=2,
        preset="smoke",
        objective=Pull(weight=0.5),
        size_policy=condensery.AllSizes(weights="inverse"),
        update=condensery.SGD(lr=0.3),
        settings={"update.lr": 0.25, "update.momentum": 0, "iterations": 2},
    )
    assert run.recipe.objective == Pull(weight=0.5)
    assert run.recipe.update == condensery.SGD(lr=0.25)
    result = run.result()
    assert result.manifest["recipe"]["objective"] == {"kind": f"{__name__}:Pull", "weight": 0.5}


def test_a_class_in_a_module_is_named_in_settings(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    settings = {"objective": "mine:Pull", "objective.weight": "2"}
    run = condense(digits, method="dm", ipc=1, preset="smoke", settings=settings)
    assert run.recipe.objective == Pull(weight=2.0)


def test_a_recipe_of_parts_is_condensed_as_it_is(digits):
    recipe = replace(
        recipe_for("dm", digits.train, ipc=1, preset="smoke"),
        method="mine",
        objective=Pull(),
        iterations=1,
        precision="bf16",
    )
    run = condense(digits, recipe=recipe)
    of_the_machine = ("engine", "engine_reason", "classes_per_block")
    chosen = {name: getattr(run.recipe, name) for name in of_the_machine}
    assert run.recipe == replace(recipe, **chosen)
    assert run.result().method == "mine"


def test_what_is_no_part_is_refused(each, digits):
    for given, said in each(
        [
            ({"objective": Pull}, r"objective = Pull is a class.*Write Pull\(\.\.\.\)"),
            ({"objective": "pull"}, "objective = 'pull' is unknown"),
            ({"size_policy": 3}, "size_policy .*int is no frozen dataclass"),
            ({"update": condensery.AllSizes()}, "lacks step.*ImageUpdate"),
            ({"settings": {"update.lr": "fast"}}, "update.lr = 'fast' is no number"),
            ({"settings": {"update.lr": None}}, "update.lr = None is no number"),
            ({"settings": {"ipc": 1.5}}, r"ipc = 1\.5 is no whole number"),
            ({"method": "os:getcwd"}, r"method = 'os:getcwd' cannot be called.*def recipe\(data"),
            ({"method": "builtins:dict"}, "method = 'builtins:dict' cannot be called"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            condense(digits, **{"method": "dm", "ipc": 1, "preset": "smoke", **given})


@pytest.mark.parametrize("ending", ["json", "toml"])
def test_a_recipe_file_is_read_and_named_where_it_is_wrong(digits, tmp_path, ending):
    recipe = recipe_for("mdc", digits.train, ipc=3, preset="smoke")
    path = tmp_path / f"recipe.{ending}"
    path.write_text(recipe_text(recipe) if ending == "json" else toml(to_json(recipe)))
    assert read_recipe(path) == recipe
    assert condense(digits, recipe=path).recipe.ipc == 3
    path.write_text(path.read_text().replace("distribution", "distributon"))
    with pytest.raises(
        ConfigError, match=rf"{path.name}: size_policy.probe = 'distributon'.*mean 'dist"
    ):
        read_recipe(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match=f"is no {ending.upper()}"):
        read_recipe(path)
    with pytest.raises(ConfigError, match=r"cannot be read.*condensery recipe"):
        read_recipe(tmp_path / "none.json")


def toml(values, path=""):
    """Plain values as TOML; keys without a value are left out."""
    lines = [
        f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, (dict, type(None)))
    ]
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"[{path}{key}]", toml(value, f"{path}{key}.")]
    return "\n".join(lines)


def test_a_recorded_recipe_reads_back_to_the_same_parts(digits):
    run = condense(digits, method="dm", ipc=1, preset="smoke", settings={"iterations": 1})
    assert from_json(run.result().manifest["recipe"]) == run.recipe


def test_the_command_line_writes_a_recipe_and_runs_it(tmp_path, capsys):
    file, out = tmp_path / "recipe.json", tmp_path / "run"
    words = [
        "--preset",
        "smoke",
        "--ipc",
        "2",
        "--set",
        "iterations=1",
        "--set",
        "schedule.inner=1",
    ]
    assert main(["recipe", "mdc", "--data", "digits", *words, "--out", str(file)]) == 0
    words = ["condense", "digits", "--recipe", str(file), "--no-evaluate", "--out", str(out)]
    assert main([*words, "--ipc", "3"]) == 2
    assert "--ipc 3: the recipe" in capsys.readouterr().err
    assert not out.exists()
    assert main(words) == 0
    written = json.loads((out / "recipe.json").read_text())["recipe"]
    assert written["ipc"] == 2
    assert read_recipe(out / "recipe.json").size_policy == read_recipe(file).size_policy
    assert main(["recipe", "dm", "--preset", "smoke"]) == 0
    said = capsys.readouterr()
    assert from_json(json.loads(said.out[said.out.index("{") :])).method == "dm"
    assert "images like CIFAR-10" in said.err


def test_parts_lists_every_registered_part(capsys):
    assert main(["parts"]) == 0
    said = capsys.readouterr().out
    for slot in SLOTS:
        assert all(f"\n  {name} " in said for name in parts(slot))
    assert main(["parts", "size_policy"]) == 0
    assert "weights=" in capsys.readouterr().out


def test_a_run_that_could_not_be_read_again_is_refused_before_its_folder_is_made(tmp_path):
    @dataclass(frozen=True)
    class Local(Pull):
        pass

    out = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"could not go on.*Local.*top level of a module"):
        condensery.run("digits", out=out, method="dm", preset="smoke", ipc=1, objective=Local())
    assert not out.exists()


@dataclass(frozen=True)
class Odd(Pull):
    choices: frozenset[int] = frozenset({1})


def test_choices_that_no_file_can_say_are_refused(digits):
    with pytest.raises(ConfigError, match="reads back as another one"):
        check_readable(condense(digits, method="dm", ipc=1, preset="smoke", objective=Odd()).recipe)
