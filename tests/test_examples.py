"""The programs in examples/ run as they are described, in their shortest form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import condensery

ROOT = Path(__file__).parents[1]


def run(name: str, *words: str) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), *words]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_replay_memory_is_compared_with_real_images_after_every_step():
    table = run(
        "continual.py", "fashion-mini", "--step", "5", "--budget", "20k", "--orders", "2",
        "--memories", "random,first", "--network", "convnet1-w4", "--steps", "3",
    )  # fmt: skip
    (row,) = [cells for cells in cells_of(table) if cells[0] == "random"]
    assert all(" ± " in cell for cell in row[1:-2])
    assert row[-2] == "2"  # the images per class that are left


def test_networks_are_ranked_on_small_sets_and_on_all_images(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSERY_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "set.safetensors"
    condensery.select(condensery.load_data("digits"), by="first", ipc=2).save(file)
    table = run(
        "architecture_choice.py", "digits", str(file), "--size", "2", "--steps", "2",
        "--whole-steps", "2", "--networks", "convnet1-w4,convnet1-w8,mlp",
    )  # fmt: skip
    assert [cells[0] for cells in cells_of(table)[2:]] == ["condensed", "k-means", "random"]


def test_the_size_changes_while_one_network_is_trained(tmp_path):
    file = tmp_path / "set.safetensors"
    condensery.select(condensery.load_data("digits"), by="first", ipc=3).save(file)
    table = run(
        "changing_budget.py", "digits", str(file), "--sizes", "3,1,2", "--steps", "2",
        "--network", "convnet1-w4",
    )  # fmt: skip
    head, _, *rows = cells_of(table)
    assert head[1:] == ["size 3, 2,280 bytes", "size 1, 760 bytes", "size 2, 1,520 bytes"]
    assert [row[0] for row in rows] == ["condensed", "random", "k-means"]
