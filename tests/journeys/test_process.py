"""Real processes: signals, outputs that go away or cannot take the text, and how it is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from condensery.checkpoint import load_latest
from condensery.evaluation import read_observations

LONG = ("--preset", "smoke", "--set", "iterations=2000", "--set", "schedule.inner=1")
MAIN = "import sys; from condensery.cli.main import main; sys.exit(main(sys.argv[1:]))"


def start(*words: object, code: str = MAIN) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], number: int, *, when: str) -> tuple[int, list[str]]:
    """Send a signal after a line on standard error has these words; exit code and last lines."""
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            if when in line:
                process.send_signal(number)
                break
        rest = process.stderr.read().splitlines()
    return process.returncode, rest


def test_a_signal_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path):
    run = tmp_path / "a run"
    process = start("condense", "digits", "--ipc", 1, *LONG, "--out", run)
    assert process.stderr is not None
    while not (run / "metrics.jsonl").exists() or (
        (run / "metrics.jsonl").read_bytes().count(b"\n") < 3
    ):
        assert process.poll() is None
        time.sleep(0.01)
    code, said = end(process, signal.SIGTERM, when="condense: step")
    assert code == 143
    goes_on = f"Nothing that was finished is lost: condensery resume '{run}'"
    assert said[-1] == f"condensery: error: stopped by SIGTERM. {goes_on}"
    assert "Traceback" not in "".join(said)
    checkpoint = load_latest(run / "checkpoints", pytest.fail)
    assert checkpoint is not None
    assert checkpoint.step >= 1


def test_what_an_evaluation_has_finished_is_kept_when_it_is_stopped(finished: Path, tmp_path: Path):
    kept = tmp_path / "seen.jsonl"
    words = ("--data", "digits", "--steps", 40, "--seeds", 40, "--networks", "convnet3-w16")
    file = finished / "condensed.safetensors"
    process = start("evaluate", file, *words, "--no-save", "--out", kept)
    code, said = end(process, signal.SIGHUP, when="evaluate: network")
    assert code == 129
    assert said[-1] == (
        f"condensery: error: stopped by SIGHUP. {kept} keeps the networks that were trained; the "
        "same command goes on."
    )
    assert 1 <= len(read_observations(kept)) < 80


def test_a_signal_while_a_library_is_imported_gives_one_line(tmp_path: Path):
    code = (
        "import os, signal, sys\n"
        "class Stopping:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == sys.argv[1]:\n"
        "            os.kill(os.getpid(), int(sys.argv[2]))\n"
        "sys.meta_path.insert(0, Stopping())\n"
        "from condensery.cli.main import main\n"
        "sys.exit(main(sys.argv[3:]))\n"
    )
    for module, number in (("condensery.cli.parser", 2), ("numpy", 15), ("torch", 2)):
        words = ("condense", "digits", "--preset", "smoke", "--ipc", 1, "--out", tmp_path / "run")
        process = start(module, number, *words, code=code)
        _, said = process.communicate()
        assert process.returncode == 128 + number
        assert said.startswith("condensery: error: ")
        assert said.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


def run(words: list[object], **options: object) -> subprocess.CompletedProcess[bytes]:
    given = [sys.executable, "-m", "condensery", *map(str, words)]
    return subprocess.run(given, check=False, **{"stderr": subprocess.PIPE, **options})


def test_a_reader_that_has_gone_ends_the_output_quietly(finished: Path):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(["inspect", finished / "condensed.safetensors", "--json"], stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_on_a_full_disk_is_one_message(finished: Path):
    with open("/dev/full", "w") as full:
        done = run(["inspect", finished / "condensed.safetensors"], stdout=full)
        assert done.returncode == 2
        assert done.stderr.decode().startswith(
            "condensery: error: standard output cannot be written (No space left on device)."
        )
        assert done.stderr.count(b"\n") == 1


def test_a_process_without_outputs_does_its_work(tmp_path: Path):
    words = "condense digits --ipc 1 --preset smoke --no-evaluate --out run"
    shell = f"exec '{sys.executable}' -m condensery {words} >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "run" / "report.html").exists()


def test_a_table_is_printed_in_an_encoding_that_lacks_its_characters(finished: Path):
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words: list[object] = ["evaluate", finished / "condensed.safetensors", "--data", "digits"]
    words += ["--sizes", 1, "--networks", "mlp", "--seeds", 2, "--steps", 2, "--no-save"]
    done = run(words, stdout=subprocess.PIPE, env=environ)
    assert done.returncode == 0, done.stderr
    assert "+-" in done.stdout.decode("ascii")


@pytest.mark.parametrize("module", ["condensery", "condensery.cli", "condensery.cli.main"])
def test_the_package_can_be_run_as_a_module(module: str):
    from condensery import __version__

    ran = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, f"condensery {__version__}\n")


def test_usage_names_the_module_that_was_run():
    done = run(["condense", "--help"], stdout=subprocess.PIPE)
    assert done.stdout.startswith(b"usage: python -m condensery condense ")
