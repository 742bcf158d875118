"""A stranger at the command line, in this process: exit code and what was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from condensery.cli.main import main

SMOKE = ("--preset", "smoke", "--evaluate-steps", "3", "--evaluate-sizes", "1,2")
"""The shortest run there is, evaluated as shortly."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def condensery(capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return command


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished smoke run on digits, two images per class; not to be changed."""
    run = tmp_path_factory.mktemp("finished") / "run"
    words = ("condense", "digits", "--method", "mdc", "--ipc", "2", "--evaluate-precision", "fp32")
    assert main([*words, *SMOKE, "--out", str(run)]) == 0
    return run
