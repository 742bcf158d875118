"""What all tests share: a failure names its case, and a mark alone skips a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

TESTS = """
import pytest

def test_a_failure_names_its_case(each):
    for word, wanted in each([("two", 3), ("three", 4), ("four", 4)]):
        assert len(word) == wanted

def test_an_error_that_does_not_come_names_its_case(each):
    for number in each([0, 0, 7]):
        with pytest.raises(ZeroDivisionError):
            1 / number

def test_a_failure_after_the_cases_names_none(each):
    assert [case + 1 for case in each([5, 6])] == [6, 8]

def test_all_cases_pass(each):
    for number in each(range(3)):
        assert number < 3
"""


def run_tests(folder: Path, tests: str) -> pytest.ExitCode:
    """Run some tests in a folder with the ``conftest.py`` of this project."""
    (folder / f"test_in_{folder.name}.py").write_text(tests, encoding="utf-8")  # a module each
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n slow: long\n gpu: CUDA\n")
    words = ["-q", "-rf", "-p", "no:cacheprovider", "-n", "0"]
    return pytest.ExitCode(pytest.main([*words, "--rootdir", str(folder), str(folder)]))


def test_a_folder_with_the_name_of_a_mark_skips_no_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = tmp_path / "slow" / "gpu"
    folder.mkdir(parents=True)
    marked = "import pytest\n" + "".join(
        f"@pytest.mark.{name}\ndef test_{name}(): pass\n" for name in ("slow", "gpu")
    )
    assert run_tests(folder, f"{marked}def test_runs(): pass\n") == pytest.ExitCode.OK
    assert "1 passed, 2 skipped" in capsys.readouterr().out


def test_the_case_of_a_failure_is_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "300")
    assert run_tests(tmp_path, TESTS) == pytest.ExitCode.TESTS_FAILED
    found = capsys.readouterr().out
    failed = [line for line in found.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 3, found
    assert "case 2 of 3: ('three', 4)" in failed[0]
    assert "case 3 of 3: 7" in failed[1]
    assert "test_a_failure_after_the_cases_names_none" in failed[2]
    assert "case" not in failed[2].split(" - ")[1]
    assert "3 failed, 1 passed" in found


def test_no_case_is_a_failure(each):
    with pytest.raises(AssertionError, match="there is no case"):
        next(each([]))
