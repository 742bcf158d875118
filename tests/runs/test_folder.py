"""When a run folder may be made and replaced, and what replacing removes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from condensery.errors import ArtifactError, ConfigError
from condensery.runs.folder import RunFolder


def begin(folder: RunFolder, seed: int, *, overwrite: bool = False) -> list[str]:
    """Begin a run and end before its first update; the notices."""
    notices: list[str] = []
    folder.check_new(overwrite=overwrite)
    with folder.anew({"seed": seed}, overwrite=overwrite, notice=notices.append):
        pass
    return notices


def a_run(path: Path) -> RunFolder:
    """A run with one image update."""
    folder = RunFolder(path)
    assert begin(folder, 1) == []
    folder.metrics.write_text("{}\n")
    return folder


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


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
    assert begin(folder, 2, overwrite=True) == []
    left = sorted(entry.name for entry in folder.path.iterdir())
    assert left == [".lock", "my notes.txt", "recipe.json"]
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


def test_what_a_killed_start_and_the_system_leave_is_no_obstacle(tmp_path: Path):
    for name in (".recipe.json.123.part", ".lock", ".DS_Store", ".nfs000000000001"):
        (tmp_path / name).write_text("{")
    (tmp_path / ".condensery-x1").mkdir()
    assert begin(RunFolder(tmp_path), 1) == []


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_start_without_any_update_begins_anew(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    begin(folder, 1)
    write(folder.pictures / "iteration-0.png", "")
    for unfinished in (folder.metrics, folder.observations, folder.proxy):
        write(unfinished, '{"outer": 0, "in')
    folder.checkpoints.mkdir()
    write(folder.checkpoints / ".checkpoint-1.safetensors.7.part", "")
    (notice,) = begin(folder, 2)
    assert "before its first update" in notice
    assert folder.facts()["seed"] == 2
    assert sorted(entry.name for entry in folder.path.iterdir()) == [".lock", "recipe.json"]


@pytest.mark.parametrize(
    "progress",
    [
        "metrics.jsonl",
        "observations.jsonl",
        "proxy.jsonl",
        "outcome.json",
        "condensed.safetensors",
        "checkpoints/checkpoint-1.safetensors",
    ],
)
def test_any_progress_is_kept_unless_it_shall_be_overwritten(tmp_path: Path, progress: str):
    folder = RunFolder(tmp_path / "run")
    begin(folder, 1)
    write(folder.path / progress, "{}\n")
    with pytest.raises(ConfigError, match=r"condensery resume .*--overwrite"):
        begin(folder, 2)
    assert folder.facts()["seed"] == 1
    begin(folder, 2, overwrite=True)
    assert not (folder.path / progress).exists()


def test_a_start_that_another_process_works_on_is_not_removed(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    with (
        folder.anew({"seed": 1}, overwrite=False, notice=print),
        pytest.raises(ConfigError, match="another process"),
    ):
        begin(RunFolder(tmp_path / "run"), 2, overwrite=True)
    assert folder.facts()["seed"] == 1


def test_progress_made_while_the_data_was_read_is_kept(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.check_new(overwrite=False)
    a_run(folder.path)  # by another process, meanwhile
    with (
        pytest.raises(ConfigError, match="holds a run already"),
        folder.anew({"seed": 2}, overwrite=False, notice=print),
    ):
        pass
    assert folder.facts()["seed"] == 1


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EIO]
)
def test_a_file_system_without_locks_gives_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    refuse_locks(monkeypatch, number)
    (notice,) = begin(RunFolder(tmp_path / "run"), 1)
    assert os.strerror(number) in notice
    assert "second process" in notice


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES])
def test_a_lock_that_is_held_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    refuse_locks(monkeypatch, number)
    with pytest.raises(ConfigError, match="another process is working"):
        begin(RunFolder(tmp_path / "run"), 1)


def test_a_folder_that_cannot_be_written_is_not_taken_for_a_busy_one(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    (folder.path / ".lock").unlink()
    (folder.path / ".lock").mkdir()  # cannot be opened, whoever runs the tests
    with pytest.raises(ConfigError, match=r"cannot be written \(.*copy the folder"):
        folder.locked(print).__enter__()


def test_names_that_are_not_utf_8_come_back_from_the_recipe(tmp_path: Path):
    folder, facts = RunFolder(tmp_path / "run"), {"data": "cats \udcff\n", "zoë": "±"}
    with folder.anew(facts, overwrite=False, notice=print):
        pass
    assert folder.facts() == {"condensery_run": 1, **facts}


def test_a_path_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no folder"):
        RunFolder(tmp_path / "file" / "run").check_new(overwrite=False)


def test_a_newer_run_is_refused_with_both_numbers(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    folder.facts_file.write_text(json.dumps({"condensery_run": 2}))
    with pytest.raises(ArtifactError, match="format 2, this library reads 1"):
        folder.facts()


def test_two_processes_cannot_work_on_one_run(tmp_path: Path):
    folder = a_run(tmp_path / "run")
    with (
        folder.locked(print),
        pytest.raises(ConfigError, match="another process"),
        RunFolder(tmp_path / "run").locked(print),
    ):
        pass
    with folder.locked(print):  # let go again
        pass
