"""When a run folder may be made and replaced, and what replacing removes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from condensery.cli.run_folder import RunFolder
from condensery.errors import ArtifactError, ConfigError


def a_run(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.check_new(overwrite=False)
    folder.make({"seed": 1})
    return folder


def test_checking_a_place_leaves_no_trace(tmp_path: Path):
    RunFolder(tmp_path / "a" / "b").check_new(overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_can_become_a_run(tmp_path: Path):
    assert a_run(tmp_path).facts() == {"condensery_run": 1, "seed": 1}


def test_a_run_is_not_replaced_unless_asked(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"condensery resume .*--overwrite"):
        folder.check_new(overwrite=False)
    folder.check_new(overwrite=True)


def test_replacing_removes_what_a_run_writes_and_nothing_else(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    for file in (folder.condensed, folder.outcome, folder.observations, folder.metrics):
        file.write_text("old")
    for inside in (folder.checkpoints, folder.pictures):
        inside.mkdir()
        (inside / "old").write_text("old")
    (folder.path / "my notes.txt").write_text("mine")
    folder.make({"seed": 2})
    left = sorted(entry.name for entry in folder.path.iterdir())
    assert left == ["my notes.txt", "recipe.json"]
    assert folder.facts()["seed"] == 2


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path: Path, overwrite: bool):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="never removed"):
        RunFolder(tmp_path).check_new(overwrite=overwrite)


@pytest.mark.parametrize("content", ["", "[]", "{}", "3", '{"other": 1}'])
def test_a_recipe_of_another_program_does_not_make_a_run(tmp_path: Path, content: str):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(ConfigError, match="never removed"):
        RunFolder(tmp_path).check_new(overwrite=True)
    with pytest.raises(ArtifactError, match=r"recipe\.json"):
        RunFolder(tmp_path).facts()


def test_a_run_that_was_killed_at_its_birth_is_no_obstacle(tmp_path: Path):
    (tmp_path / ".recipe.json.123.part").write_text("{")
    RunFolder(tmp_path).check_new(overwrite=False)


def test_a_path_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no folder"):
        RunFolder(tmp_path / "file" / "run").check_new(overwrite=False)


def test_a_newer_run_is_refused_with_both_numbers(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    folder.recipe.write_text(json.dumps({"condensery_run": 2}))
    with pytest.raises(ArtifactError, match="format 2, this library reads 1"):
        folder.facts()


def test_two_processes_cannot_work_on_one_run(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    with (
        folder.locked(),
        pytest.raises(ConfigError, match="another process"),
        RunFolder(tmp_path / "run").locked(),
    ):
        pass
    with folder.locked():  # let go again
        pass
