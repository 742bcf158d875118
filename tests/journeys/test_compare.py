"""A comparison that was stopped ends in the same files; asked for more, it does only that."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from condensery import api
from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data
from condensery.runs import evaluation, machine
from condensery.runs.comparison import driver
from condensery.runs.comparison.folder import ComparisonFolder

CREATED = "then"
LENGTH = ("iterations=2", "schedule.inner=2", "schedule.steps=1")
RECIPE = (
    "--preset",
    "smoke",
    "--network",
    "convnet2-w4",
    *(x for y in LENGTH for x in ("--set", y)),
)
TESTED = ("--evaluate-networks", "convnet2-w4", "--evaluate-steps", "2")
WORDS = ("compare", "digits", "--ipc", "2", *RECIPE, *TESTED, "--methods")
RUNS = (
    "idc-one-ipc1",
    "idc-one-ipc1-rank1",
    "idc-one-ipc2",
    "mdc-most-learnable-ipc2",
)


@pytest.fixture(autouse=True)
def same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "now", lambda: CREATED)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison; not to be changed."""
    from condensery.cli.main import main

    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "now", lambda: CREATED)
        assert main([*WORDS, "mdc,a,b,c", "--out", str(out)]) == 0
    return out


def files(out: Path) -> dict[str, bytes]:
    found = [*out.glob("runs/*"), *out.glob("sets/*")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def seen(out: Path) -> list[tuple[str, int, int, float]]:
    lines = map(json.loads, (out / "observations.jsonl").read_text().splitlines())
    return [(x["set"], x["size"], x["seed"], x["accuracy"]) for x in lines]


def assert_same(out: Path, other: Path) -> None:
    assert files(out) == files(other)
    assert seen(out) == seen(other)
    assert (out / "table.csv").read_bytes() == (other / "table.csv").read_bytes()


def load(out: Path, name: str) -> CondensedSet:
    return CondensedSet.load(out / f"{name}-seed0.safetensors")


def stop_at_yield(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = driver.run_together

    def stopping(*arguments: object, **options: object):
        for count, progress in enumerate(real(*arguments, **options), start=1):
            if count == number:
                raise KeyboardInterrupt
            yield progress

    monkeypatch.setattr(driver, "run_together", stopping)


def test_every_row_has_its_files(whole: Path):
    names = {path.name.removesuffix("-seed0.safetensors") for path in (whole / "sets").iterdir()}
    assert names == {"mdc", "a-ipc1", "a-ipc2", "b", "c"}
    runs = {path.name.removesuffix("-seed0.safetensors") for path in (whole / "runs").iterdir()}
    assert runs == set(RUNS)
    assert list((whole / "checkpoints").iterdir()) == []


def test_c_is_the_largest_of_a_and_made_and_tested_once(whole: Path):
    c, a = (load(whole, f"sets/{name}") for name in ("c", "a-ipc2"))
    assert torch.equal(c.images, a.images)
    tested = {(name, size) for name, size, *_ in seen(whole)}
    assert tested == {(n, k) for n in ("mdc", "a", "b", "c", "random") for k in (1, 2)} - {
        ("b", 1),
        ("c", 2),
    }
    rows = [
        x
        for x in csv.DictReader((whole / "table.csv").read_text().splitlines())
        if x["size"] == "2"
    ]
    accuracy = {row["row"]: row["accuracy"] for row in rows}
    assert accuracy["a"] == accuracy["c"]


def test_b_holds_its_runs_in_their_order(whole: Path):
    b = load(whole, "sets/b")
    assert b.sizes == 2
    for rank, name in enumerate(RUNS[:2]):
        one = load(whole, f"runs/{name}")
        assert (one.sizes, len(one)) == (1, 10)
        assert torch.equal(b.images[b.rank == rank], one.images)
    assert not torch.equal(b.images[:10], b.images[10:])


def test_a_run_in_a_batch_is_the_run_that_condense_makes(whole: Path):
    settings = dict(pair.split("=") for pair in LENGTH)
    data = load_data("digits")
    alone = api.condense(
        data, method="mdc", ipc=2, preset="smoke", network="convnet2-w4", settings=settings
    )
    assert torch.equal(alone.result().images, load(whole, "sets/mdc").images)


def test_the_table_says_what_was_done(whole: Path):
    text = (whole / "table.md").read_text()
    assert "protocol idc, 2 optimiser steps" in text
    assert "not comparable with published figures" in text
    assert "preset smoke --set iterations=2" in text
    assert ", ".join((RUNS[3], RUNS[0], RUNS[2], RUNS[1])) in text
    assert '<table class="sorted">' in (whole / "table.html").read_text()


@pytest.mark.parametrize("number", [1, 5])
def test_ctrl_c_costs_no_finished_iteration(
    condensery, monkeypatch, tmp_path: Path, whole: Path, number: int
):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_at_yield(patch, number)
        said = condensery(*WORDS, "mdc,a,b,c", "--out", out)
    assert said.code == 130
    assert "the same command goes on" in said.err
    assert files(out) == {}
    plan = condensery(*WORDS, "mdc,a,b,c", "--out", out, "--dry-run")
    assert ("goes on after iteration 1" in plan.out) == (number > 3)
    said = condensery(*WORDS, "mdc,a,b,c", "--out", out)
    assert said.code == 0
    assert_same(out, whole)


def test_an_interruption_between_two_files_loses_none(
    condensery, monkeypatch, tmp_path: Path, whole: Path
):
    out = tmp_path / "out"
    real, calls = driver.Condensation, iter(range(9))

    def stopping(*arguments: object, **options: object):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "Condensation", stopping)
        assert condensery(*WORDS, "mdc,a,b,c", "--out", out).code == 130
    assert len(files(out)) == 2
    said = condensery(*WORDS, "mdc,a,b,c", "--out", out)
    assert said.code == 0
    assert "goes on after iteration 2" in said.err
    assert_same(out, whole)
    (cost,) = json.loads((out / "costs.json").read_text())["groups"]
    assert sorted(cost["runs"]) == sorted(RUNS)


def test_kill_9_and_the_same_command_give_the_same_bytes(condensery, tmp_path: Path, whole: Path):
    out = tmp_path / "out"
    script = (
        "import sys\n"
        "from condensery.runs import machine\n"
        "from condensery.runs.comparison import driver\n"
        "driver.CHECKPOINT_EVERY = 0.0\n"
        f"machine.now = lambda: {CREATED!r}\n"
        "from condensery.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, *WORDS, "mdc,a,b,c", "--out", str(out)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            if list(out.glob("checkpoints/*/checkpoint-*.safetensors")):
                break
            time.sleep(0.002)
    finally:
        process.kill()  # SIGKILL
        process.wait()
    assert process.returncode == -9
    said = condensery(*WORDS, "mdc,a,b,c", "--out", out)
    assert said.code == 0
    assert "4 sets: goes on after iteration" in said.err
    assert_same(out, whole)


def test_an_interrupted_evaluation_shows_what_it_has_and_trains_only_the_rest(
    condensery, monkeypatch, tmp_path: Path, whole: Path
):
    out = tmp_path / "out"
    real, left = evaluation.append_observation, iter(range(4))

    def stopping(*arguments: object):
        if next(left) == 3:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "append_observation", stopping)
        assert condensery(*WORDS, "mdc,a,b,c", "--out", out).code == 130
    before = (out / "observations.jsonl").read_text()
    assert len(before.splitlines()) == 3
    assert "5 networks are still to be trained" in (out / "table.md").read_text()
    said = condensery(*WORDS, "mdc,a,b,c", "--out", out)
    assert said.code == 0
    assert "condense " not in said.err
    assert (out / "observations.jsonl").read_text().startswith(before)
    assert_same(out, whole)


def test_the_same_command_again_does_nothing(condensery, tmp_path: Path, whole: Path):
    out = shutil.copytree(whole, tmp_path / "out")
    before = {x: x.stat().st_mtime_ns for x in out.rglob("*") if x.is_file()}
    said = condensery(*WORDS, "mdc,a,b,c", "--out", out)
    assert said.code == 0
    assert "sets to condense: 0 of 4" in said.err
    assert "networks to train: 0 of 8" in said.err
    changed = {x.name for x in before if x.stat().st_mtime_ns != before[x]}
    assert changed <= {"comparison.json", ".lock"}


def test_more_can_be_asked_of_a_comparison_and_only_that_is_done(
    condensery, tmp_path: Path, whole: Path
):
    out = shutil.copytree(whole, tmp_path / "out")
    observations = (out / "observations.jsonl").read_text()
    said = condensery(*WORDS, "idc:all,first", "--out", out, "--condensations", "2")
    assert said.code == 0
    assert "sets to condense: 6 of 10 (2 condensations of 5)" in said.err
    now = files(out)
    assert {name: now[name] for name in files(whole)} == files(whole)
    assert {"sets/idc-all-seed0.safetensors", "sets/b-seed1.safetensors"} <= now.keys()
    assert (out / "observations.jsonl").read_text().startswith(observations)
    text = (out / "table.md").read_text()
    assert "over 2 condensations" in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert rows[2:9] == ["mdc", "a", "b", "c", "idc:all", "random", "first"]


@pytest.mark.parametrize(
    ("words", "key", "was", "now"),
    [
        (("--set", "update.lr=0.1"), "set", "'schedule.steps=1'", "'update.lr=0.1'"),
        (("--seed", "3"), "seed", "0", "3"),
        (("--base", "dream"), "base", "'idc'", "'dream'"),
        (("--evaluate-seeds", "2"), "evaluate-seeds", "1", "2"),
        (("--name", "other"), "data name", "'digits'", "'other'"),
    ],
)
def test_anything_else_is_refused_with_both_values(
    condensery, whole: Path, words: tuple[str, ...], key: str, was: str, now: str
):
    before = files(whole)
    said = condensery(*WORDS, "mdc", *words, "--out", whole)
    assert said.code == 2
    assert f"{key} = " in said.err
    assert was in said.err
    assert now in said.err
    assert "give another folder" in said.err
    assert files(whole) == before


def test_a_recipe_that_the_library_now_makes_otherwise_is_refused(
    condensery, tmp_path: Path, whole: Path
):
    out = shutil.copytree(whole, tmp_path / "out")
    facts = json.loads((out / "comparison.json").read_text())
    facts["recipes"]["idc-one-ipc2"]["iterations"] = 77
    (out / "comparison.json").write_text(json.dumps(facts))
    said = condensery(*WORDS, "mdc", "--out", out)
    assert said.code == 2
    assert "idc-one-ipc2 was begun with iterations = 77, but now iterations is 2" in said.err


def test_two_processes_never_work_in_one_folder(condensery, tmp_path: Path, whole: Path):
    out = shutil.copytree(whole, tmp_path / "out")
    with ComparisonFolder(out).locked(print):
        said = condensery(*WORDS, "mdc", "--out", out)
    assert said.code == 2
    assert "another process" in said.err


def test_a_dry_run_says_everything_and_writes_nothing(condensery, tmp_path: Path):
    words = (*WORDS, "mdc,c,dc", "--set", "dc:schedule.inner=2")
    said = condensery(*words, "--out", tmp_path / "out", "--dry-run")
    assert said.code == 2  # dc has no schedule.steps
    assert "dc: The recipe has no key 'schedule.steps'" in said.err
    said = condensery(*WORDS, "mdc,c,dream", "--out", tmp_path / "out", "--dry-run")
    assert said.code == 0
    assert "2 in one batch: mdc-most-learnable-ipc2, idc-one-ipc2; 4 image updates each" in said.out
    assert "alone (another sampler): dream-one-ipc2" in said.out
    assert "networks to train: 8 of 8" in said.out
    assert list(tmp_path.iterdir()) == []


def test_rows_ordered_anew_hold_the_images_of_their_run_and_make_no_other(
    condensery, tmp_path: Path, whole: Path
):
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    words = (*WORDS, "mdc,a,b,c,c:rerank,random:rerank", "--out", out)
    said = condensery(*words)
    assert said.code == 0
    assert "rerank by lbpe: " in said.err
    assert "iteration" not in said.err
    c, ordered, real = (load(out, f"sets/{n}") for n in ("c", "c-rerank", "random-rerank"))
    assert ordered.manifest["reranked"]["by"] == real.manifest["reranked"]["by"] == "lbpe"
    assert not torch.equal(ordered.images, c.images)
    pixels = [sorted(i.numpy().tobytes() for i in s.images) for s in (ordered, c)]
    assert pixels[0] == pixels[1]
    text = (out / "table.md").read_text()
    assert "c:rerank" in text
    assert "ordered anew by a training on them" in text
    assert {row for row, *_ in seen(out)} >= {"c:rerank", "random:rerank"}
