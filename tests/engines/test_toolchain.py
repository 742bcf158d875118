"""Work goes on uncompiled wherever torch cannot compile, with one warning that names the cause."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from condensery.engines import toolchain
from condensery.engines.toolchain import (
    Fallback,
    cannot_compile,
    cause_of,
    fell_back,
    go_uncompiled,
)

needs_compiler = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("g++") is None, reason="no g++"
)


def broken(number: int) -> int:
    raise RuntimeError(f"no compiler for {number}")


def test_the_fast_function_answers_while_it_works(caplog: pytest.LogCaptureFixture):
    fast = Fallback(lambda number: number + 1, broken, what="Training")

    assert [fast(1), fast(2)] == [2, 3]
    assert caplog.text == ""
    assert not fast.failed
    assert fell_back() is None


def test_from_its_first_failure_on_the_slow_one_answers_and_one_warning_says_why(
    caplog: pytest.LogCaptureFixture,
):
    asked: list[int] = []

    def failing(number: int) -> int:
        asked.append(number)
        return broken(number)

    fast = Fallback(failing, lambda number: -number, what="Testing of networks")
    other = Fallback(failing, lambda number: -number, what="Training of networks")

    with caplog.at_level(logging.WARNING):
        assert [fast(1), fast(2), fast(3), other(4)] == [-1, -2, -3, -4]
    assert asked == [1]
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("Testing of networks goes on uncompiled")
    assert "because torch cannot compile here: no compiler for 1. " in said
    assert "--set compiled=false" in said
    assert 'settings={"compiled": "false"}' in said
    assert "--precision fp32" in said
    assert fell_back() == cannot_compile() == "no compiler for 1"


def test_every_other_cause_has_a_warning_of_its_own(caplog: pytest.LogCaptureFixture):
    for cause in ("one", "other", "one"):
        go_uncompiled(cause, what="Matching")

    assert [cause in caplog.text for cause in ("here: one.", "here: other.")] == [True, True]
    assert len(caplog.records) == 2
    assert fell_back() == "one"


def test_a_mistake_that_both_refuse_is_raised_by_the_slow_one_without_a_warning(
    caplog: pytest.LogCaptureFixture,
):
    def clear(number: int) -> int:
        raise ValueError(f"{number} is a mistake")

    with pytest.raises(ValueError, match="5 is a mistake"):
        Fallback(broken, clear, what="Training")(5)
    assert caplog.text == ""
    assert fell_back() is None


class CompilerError(RuntimeError):
    output = (
        "In file included from a.cpp:1:\n/tmp/x y/a.cpp:3:10: fatal error: Python.h: No such file\n"
        "compilation terminated."
    )


def wrapped(inner: Exception) -> Exception:
    outer = RuntimeError(f"backend='inductor' raised:\n{inner}")
    outer.__cause__ = inner
    return outer


def test_the_cause_is_what_the_compiler_or_the_system_said_first(each):
    for error, cause in each(
        [
            (wrapped(CompilerError("C++ compile error")), "fatal error: Python.h: No such file"),
            (
                RuntimeError(
                    "CppCompileError\n\nCommand:\ng++\n\nOutput:\nb.cpp:1:2: error: odd\nmore"
                ),
                "error: odd",
            ),
            (
                wrapped(OSError(28, "No space left on device", "/t/x")),
                "No space left on device: /t/x",
            ),
            (wrapped(TimeoutError("the lock is held")), "the lock is held"),
            (
                subprocess.CalledProcessError(1, "g++", b"", b""),
                "the compiler fails and says nothing",
            ),
            (KeyError(), "KeyError"),
        ]
    ):
        assert cause_of(error) == cause


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that has not tried to compile, with folders of its own."""
    monkeypatch.setattr(toolchain, "_process", toolchain._Process())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.setattr(toolchain.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@needs_compiler
def test_a_working_compiler_is_asked_once_in_the_folder_that_torch_uses(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    log = fresh / "log"
    monkeypatch.setenv("CXX", script(fresh / "g++", f'echo x >>{log}; exec g++ "$@"'))

    assert [cannot_compile(), cannot_compile()] == [None, None]
    assert log.read_text() == "x\n"
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent == fresh / "temporary"


@needs_compiler
@pytest.mark.parametrize("kind", ["space", "unwritable", "libraries cannot be loaded"])
def test_where_the_folder_is_the_fault_another_one_is_taken(
    kind: str, fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    usual = fresh / ("a folder" if kind == "space" else "temporary")
    monkeypatch.setattr(toolchain.tempfile, "gettempdir", lambda: str(usual))
    if kind == "unwritable":
        usual.write_text("a file, so that no folder can be made in its place")
    elif kind == "libraries cannot be loaded":  # as on a file system mounted noexec
        load = toolchain.ctypes.CDLL

        def refusing(path: str) -> object:
            if path.startswith(str(usual)):
                raise OSError(f"{path}: failed to map segment from shared object")
            return load(path)

        monkeypatch.setattr(toolchain.ctypes, "CDLL", refusing)

    assert cannot_compile() is None
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent == fresh / "home"


@needs_compiler
def test_a_folder_that_the_user_names_is_not_replaced(fresh: Path, monkeypatch: pytest.MonkeyPatch):
    named = str(fresh / "a folder")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", named)

    assert named in str(cannot_compile())
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == named


@needs_compiler
@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "echo 'x.cpp:1:1: fatal error: Python.h: none' >&2; exit 1",
            "fatal error: Python.h: none",
        ),
        ("exit 1", "the compiler fails and says nothing"),
        ("exec sleep 20", "has not compiled an empty program after 0.2 s"),
        ('while [ "$1" != -o ]; do shift; done; echo no library >"$2"', "probe.so: file too short"),
    ],
    ids=["headers", "silent", "too slow", "no library"],
)
def test_a_compiler_that_does_not_work_is_told_by_its_own_words(
    text: str, cause: str, fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CXX", script(fresh / "g++", text))
    monkeypatch.setattr(toolchain, "PROBE_SECONDS", 0.2)

    assert cause in str(cannot_compile())


def test_a_compiler_that_is_not_there_is_named(fresh: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert "g++ is not found" in str(cannot_compile()) or sys.platform == "darwin"
    monkeypatch.setattr(toolchain, "_process", toolchain._Process())
    monkeypatch.setenv("CXX", "clang-99")
    assert cannot_compile() == "there is no C++ compiler: CXX names 'clang-99', which is not found"


@pytest.fixture
def condense(tmp_path: Path) -> Callable[..., tuple[dict[str, object], str]]:
    """Runs the command line where g++ compiles an empty program and nothing else."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.arange(8) % 2)
    (tmp_path / "bin").mkdir()
    script(
        tmp_path / "bin" / "g++",
        'case "$*" in *--version|*-dumpversion|*probe.cpp*) exec "$REAL" "$@";; esac\n'
        "echo 'x.cpp:3:10: fatal error: torch/odd.h: No such file' >&2; exit 1",
    )
    environment = {
        **os.environ,
        "REAL": shutil.which("g++") or "",
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),
        "CXX": "",
    }
    del environment["CXX"]

    def run(*arguments: str) -> tuple[dict[str, object], str]:
        done = subprocess.run(
            [sys.executable, "-m", "condensery.cli.main", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "run" / "recipe.json").read_text())["recipe"], done.stderr

    return run


@needs_compiler
def test_a_run_that_falls_back_says_so_and_goes_on_uncompiled_when_it_is_resumed(
    condense: Callable[..., tuple[dict[str, object], str]],
):
    settings = ["engine=fused", "compiled=true", "precision=fp32", "schedule.inner=1"]
    options = [word for setting in settings for word in ("--set", setting)]
    recipe, said = condense(
        *("condense", "data.npz", "--out", "run", "--ipc", "1", "--preset", "smoke"),
        *("--network", "convnet1-w4", "--no-evaluate", "--time-budget", "1s", *options),
    )
    cause = "torch cannot compile here: fatal error: torch/odd.h: No such file"

    assert said.count(cause) == 1
    assert not recipe["compiled"]
    assert cause in str(recipe["engine_reason"])

    again, said = condense("resume", "run", "--set", "iterations=2", "--time-budget", "9h")

    assert "cannot compile" not in said
    assert again == {**recipe, "iterations": 2}
