"""What a release consists of besides the package: its version in all places, and the notebook."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def found(pattern: str, name: str) -> str:
    match = re.search(pattern, text(name), re.MULTILINE)
    assert match, f"{name} has no {pattern}"
    return match[1]


def test_the_newest_version_is_the_same_in_all_places():
    version = found(r'^version = "(.+)"', "pyproject.toml")
    assert found(r"^version: (.+)", "CITATION.cff") == version
    assert found(r"^## (\d\S+)", "CHANGELOG.md") == version


def test_versions_of_the_changelog_fall_and_all_but_the_newest_have_a_date():
    headings = re.findall(r"^## (.+)", text("CHANGELOG.md"), re.MULTILINE)
    versions = [tuple(map(int, heading.split()[0].split("."))) for heading in headings]
    assert versions == sorted(set(versions), reverse=True)
    for heading in headings[1:]:
        assert re.fullmatch(r"[\d.]+ \(\d{4}-\d\d-\d\d\)", heading), heading


def test_the_oldest_python_is_the_same_in_all_places():
    oldest = found(r'^requires-python = ">=(.+)"', "pyproject.toml")
    assert found(r"^OLDEST = (\(.+\))", "run") == str(ast.literal_eval(oldest.replace(".", ",")))


def notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_a_notebook_is_valid_and_begins_with_the_installation(each):
    for path in each(NOTEBOOKS):
        read = notebook(path)
        nbformat.validate(read)
        code = [cell for cell in read.cells if cell.cell_type == "code"]
        assert code[0].source == "%pip install --quiet condensery"
        assert not any(cell.outputs for cell in code), "outputs are not kept: they become wrong"


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")  # those of the kernel's packages are not ours
def test_a_notebook_runs_from_its_first_to_its_last_cell(
    each, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    for path in each(NOTEBOOKS):
        read = notebook(path)
        read.cells = [cell for cell in read.cells if not cell.source.startswith("%pip")]
        folder = tmp_path_factory.mktemp("notebook")
        NotebookClient(
            read, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute(env=dict(os.environ))
        shown = "".join(
            output.get("text", "") + "".join(output.get("data", ()))
            for cell in read.cells
            for output in cell.get("outputs", ())
        )
        assert "image/png" in shown
        share = re.search(r"([\d.]+) % of the test images are right", shown)
        assert share, shown
        assert float(share[1]) > 50  # ten classes: chance is 10 %
        assert (folder / "three-per-class.safetensors").is_file()
