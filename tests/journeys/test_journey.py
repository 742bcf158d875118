"""What a stranger does, from the first command to the export, on the digits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data

SMOKE = ("--preset", "smoke", "--evaluate-steps", "3", "--evaluate-sizes", "1,2")


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_leaves_everything_that_is_promised(finished: Path):
    found = {entry.name for entry in finished.iterdir()}
    assert found >= {
        "recipe.json",
        "condensed.safetensors",
        "observations.jsonl",
        "metrics.jsonl",
        "checkpoints",
        "pictures",
        "nearest.json",
        "report.html",
    }
    assert (finished / "pictures" / "contact-sheet.png").stat().st_size > 0
    facts = json.loads((finished / "recipe.json").read_text())
    assert facts["recipe"]["ipc"] == 2
    assert facts["source"]["data"] == ["digits"]
    assert facts["data"]["fingerprint"] == load_data("digits").train.fingerprint


def test_the_metrics_have_a_line_for_every_image_update(finished: Path):
    facts = json.loads((finished / "recipe.json").read_text())["recipe"]
    seen = lines(finished / "metrics.jsonl")
    steps = [(record["outer"], record["inner"]) for record in seen]
    inner = facts["schedule"]["inner"]
    assert steps == [(o, i) for o in range(facts["iterations"]) for i in range(inner)]
    for record in seen:
        assert record["loss"] == pytest.approx(sum(record["losses"].values()))
        assert [str(size) for size in record["subset"]] == list(record["losses"])[1:]
    assert seen[-1]["subset"] == [1]  # of two images, the most learnable subset is one
    assert [r["seconds"] for r in seen] == sorted(r["seconds"] for r in seen)


def test_the_file_holds_what_was_observed(finished: Path):
    condensed = CondensedSet.load(finished / "condensed.safetensors")
    seen = lines(finished / "observations.jsonl")
    assert len(seen) == 4  # two sizes, condensed and random
    for record in condensed.observations:
        own = [x for x in seen if x["size"] == record["size"]]
        assert record["accuracy"] == next(x["accuracy"] for x in own if x["set"] == "condensed")
        assert record["random"] == next(x["accuracy"] for x in own if x["set"] == "random")
    assert [record["size"] for record in condensed.observations] == [1, 2]


def test_inspect_says_what_is_inside(finished: Path, condensery):
    said = condensery("inspect", finished / "condensed.safetensors")
    assert said.code == 0
    assert "digits-mdc-ipc2" in said.out
    assert "images per class" in said.out
    assert "protocol idc, 3 steps" in said.out
    told = condensery("inspect", finished / "condensed.safetensors", "--json")
    manifest = CondensedSet.load(finished / "condensed.safetensors").manifest
    assert json.loads(told.out).items() >= manifest.items()


def test_take_cuts_by_size_or_by_bytes(finished: Path, condensery, tmp_path: Path):
    file = finished / "condensed.safetensors"
    whole = CondensedSet.load(file)
    small = tmp_path / "small.safetensors"
    assert condensery("take", file, "--ipc", 1, "--out", small).code == 0
    assert CondensedSet.load(small).images.equal(whole.images[:10])
    budget = small.stat().st_size
    fit = tmp_path / "fit.safetensors"
    assert condensery("take", file, "--bytes", budget, "--out", fit).code == 0
    assert fit.read_bytes() == small.read_bytes()
    again = condensery("take", file, "--ipc", 2, "--out", small)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert small.stat().st_size == budget
    assert condensery("take", file, "--ipc", 2, "--out", small, "--overwrite").code == 0
    assert CondensedSet.load(small).sizes == 2


def test_evaluate_adds_to_what_the_file_says(finished: Path, condensery, tmp_path: Path):
    file = shutil.copy(finished / "condensed.safetensors", tmp_path / "set.safetensors")
    before = CondensedSet.load(file)
    noted = tmp_path / "noted.jsonl"
    words = ("evaluate", file, "--data", "digits", "--sizes", "2", "--networks", "convnet3-w16")
    length = ("--seeds", 1, "--steps", 2, "--out", noted)
    looked = condensery(*words, *length, "--no-save")
    assert looked.code == 0
    assert CondensedSet.load(file).observations == before.observations
    assert len(lines(noted)) == 2
    said = condensery(*words, *length)
    assert "images per class" in said.out
    assert "evaluate:" not in said.err  # both networks were known: none was trained
    assert len(lines(noted)) == 2
    after = CondensedSet.load(file)
    assert len(after.observations) == len(before.observations) + 1
    assert [x for x in after.observations if x["steps"] == 3] == before.observations
    assert after.images.equal(before.images)


def test_evaluating_the_file_of_a_run_draws_its_report_anew(
    finished: Path, condensery, tmp_path: Path
):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    words = ("evaluate", run / "condensed.safetensors", "--data", "digits", "--sizes", "2")
    length = ("--networks", "mlp", "--seeds", 1, "--steps", 2)
    assert condensery(*words, *length).code == 0
    assert "mlp" in (run / "report.html").read_text(encoding="utf-8")
    assert "mlp" not in (finished / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["folder", "npz", "parquet"])
def test_an_export_reads_back_as_the_same_images(
    finished: Path, condensery, tmp_path: Path, form: str
):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    file = finished / "condensed.safetensors"
    said = condensery("export", file, "--ipc", 2, "--to", form, "--out", out, "--stored")
    assert said.code == 0
    source = {
        "folder": out,
        "npz": out / "condensed.npz",
        "parquet": out / "train.parquet",
    }[form]
    data = load_data(source)
    whole = CondensedSet.load(file)
    assert data.train.class_names == whole.class_names
    got = np.concatenate([data.train.images.numpy(), data.test.images.numpy()])
    labels = np.concatenate([data.train.labels.numpy(), data.test.labels.numpy()])
    pairs = {(int(c), x.tobytes()) for c, x in zip(labels, got, strict=True)}
    stored = zip(whole.labels.numpy(), whole.images.numpy(), strict=True)
    assert pairs == {(int(c), x.tobytes()) for c, x in stored}
    again = condensery("export", file, "--ipc", 1, "--to", form, "--out", out)
    assert again.code == 2
    assert condensery("export", file, "--to", form, "--out", out, "--overwrite").code == 0
    facts = json.loads((out / "export.json").read_text())
    assert facts["mean"] == list(whole.mean)


def test_methods_and_doctor_answer(condensery):
    methods = condensery("methods")
    assert methods.code == 0
    assert "2403.06075" in methods.out
    doctor = condensery("doctor")
    assert doctor.code == 0
    assert "condensed digits and read the file back" in doctor.out


def test_a_time_budget_ends_with_a_result_and_more_time_goes_on(condensery, tmp_path: Path):
    run = tmp_path / "run"
    words = ("condense", "digits", "--ipc", 1, "--preset", "smoke", "--no-evaluate", "--out", run)
    long = ("--set", "iterations=1000", "--set", "schedule.steps=0", "--set", "schedule.inner=1")
    said = condensery(*words, *long, "--time-budget", "1s")
    assert said.code == 0
    assert "time budget of 1.0 s is spent" in said.err
    first = json.loads((run / "outcome.json").read_text())
    assert first["reason"] == "time budget"
    assert 0 < first["iterations"] < 1000
    assert CondensedSet.load(run / "condensed.safetensors").sizes == 1
    again = condensery("resume", run)
    assert "nothing was missing" in again.err
    assert condensery("resume", run, "--time-budget", "2s").code == 0
    second = json.loads((run / "outcome.json").read_text())
    assert second["iterations"] > first["iterations"]
    assert len(lines(run / "metrics.jsonl")) == second["iterations"] + second["steps_beyond"]


def test_corrupt_images_are_named_and_left_out_when_asked(condensery, tmp_path: Path):
    data, run = tmp_path / "data", tmp_path / "run"
    picture(data / "a" / "1.png", 10)
    picture(data / "a" / "2.png", 20)
    picture(data / "b" / "1.png", 200)
    picture(data / "b" / "2.png", 210)
    (data / "b" / "torn.png").write_bytes((data / "b" / "1.png").read_bytes()[:40])
    (data / "b" / "notes.txt").write_text("no image")
    words = ("condense", data, "--ipc", 1, "--preset", "smoke", "--no-evaluate", "--out", run)
    refused = condensery(*words)
    assert refused.code == 2
    assert "b/torn.png" in refused.err
    assert not run.exists()
    said = condensery(*words, "--skip-corrupt")
    assert said.code == 0
    noted = "b/notes.txt: not an image that Pillow can read"
    assert f"Left out 2 images or files: {noted}; b/torn.png: " in said.err
    shown = condensery("inspect", run / "condensed.safetensors").out
    assert f"left out   {noted}\nleft out   b/torn.png: " in shown
    (first, second) = json.loads((run / "recipe.json").read_text())["data"]["left_out"]
    assert (first["count"], first["names"]) == (1, ["b/notes.txt"])
    assert second["names"] == ["b/torn.png"]


def picture(path: Path, value: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), value).save(path)
