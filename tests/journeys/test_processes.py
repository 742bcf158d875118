"""Several processes under ``torchrun`` end in the bits of one, also after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

WORDS = ("condense", "digits", "--ipc", "2", "--preset", "smoke", "--no-evaluate", "--threads", "1")
LENGTH = ("--set", "iterations=4", "--set", "schedule.inner=2", "--set", "schedule.steps=1")

KILLED_ONCE = """
import os, signal, sys
from pathlib import Path
from condensery.cli.main import main
from condensery.runs import driver

driver.CHECKPOINT_EVERY = 0.0
mark, steps = Path(sys.argv.pop(1)), driver._steps_together

def killed_once(run, **more):
    for step in steps(run, **more):
        yield step
        if run.processes.index == 1 and run.state.outer == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

driver._steps_together = killed_once
sys.exit(main(sys.argv[1:]))
"""


def torchrun(*words: object, count: int = 2, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    options = ("--standalone", "--nproc-per-node", count, "--max-restarts", restarts)
    command = [sys.executable, "-m", "torch.distributed.run", *options, *words]
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from condensery.cli.main import main

    run, threads = tmp_path_factory.mktemp("alone") / "run", torch.get_num_threads()
    try:
        assert main([*WORDS, *LENGTH, "--out", str(run)]) == 0
    finally:
        torch.set_num_threads(threads)
    return run


def assert_same(run: Path, other: Path) -> None:
    found, expected = (load_file(path / "condensed.safetensors") for path in (run, other))
    assert sorted(found) == sorted(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found)
    lines = [(path / "metrics.jsonl").read_text().splitlines() for path in (run, other)]
    a, b = ([(x["outer"], x["inner"], x["losses"]) for x in map(json.loads, own)] for own in lines)
    assert a == b


def test_two_processes_end_in_the_bits_of_one_and_one_of_them_speaks(alone, tmp_path):
    run = tmp_path / "run"
    words = ("-m", "condensery", *WORDS, *LENGTH, "--out", run)
    done = torchrun(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Condensed file:") == 1
    assert done.stderr.count("engine:") == 1
    assert_same(run, alone)


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_the_bits_are_the_same(alone, tmp_path):
    run, script, mark = tmp_path / "run", tmp_path / "killed_once.py", tmp_path / "mark"
    script.write_text(KILLED_ONCE)
    done = torchrun(script, mark, *WORDS, *LENGTH, "--resume", "--out", run, restarts=1)
    assert done.returncode == 0, done.stderr
    assert mark.exists()
    assert "Goes on after iteration" in done.stderr
    assert_same(run, alone)


@pytest.mark.slow
def test_what_several_processes_cannot_do_is_said_once(tmp_path, each):
    for words, said in each(
        [
            (
                ("evaluate", "x.safetensors", "--data", "digits"),
                "evaluate does not divide its work",
            ),
            ((*WORDS, "--method", "mtt", "--out", tmp_path / "mtt"), "matches all classes as one"),
            (
                (*WORDS, "--set", "classes_per_block=10", "--out", tmp_path / "blocks"),
                "2 processes, but 10 classes in blocks of 10 make 1 shards",
            ),
        ]
    ):
        done = torchrun("-m", "condensery", *words)
        assert done.returncode != 0
        assert done.stderr.count("condensery: error:") == 1
        assert said in done.stderr
        assert not (tmp_path / "mtt").exists()
