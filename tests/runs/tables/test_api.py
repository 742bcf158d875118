"""Tables of papers from Python, and folders that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import condensery
from condensery.errors import ArtifactError, ConfigError
from condensery.runs import EvaluationPlan

LENGTH = {"iterations": 1, "schedule.inner": 2, "schedule.steps": 1}
TESTED = EvaluationPlan(networks=("convnet2-w4",), seeds=1, steps=2, sizes=(1,))


def made(out: Path, **more: object):
    given = {"budget": "smoke", "network": "convnet2-w4", "settings": LENGTH, "methods": ["mdc"]}
    given |= {"data": {"mine": condensery.load_data("digits")}, "evaluation": TESTED, **more}
    return condensery.table("mdc-1a", out=out, **given)


def test_a_table_is_made_of_data_in_memory_and_printed_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    dry = made(tmp_path / "out", dry_run=True)
    assert "estimate: about" in dry.outlook()
    assert list(tmp_path.iterdir()) == []
    done = made(tmp_path / "out")
    assert capfd.readouterr() == ("", "")
    assert list(done.comparisons) == ["mine"]
    assert "svhn" in done.missing
    assert "## mine, tested with convnet2-w4" in done.table()
    assert done.tables["html"].exists()
    assert "mdc-1a on mine; not here: svhn, cifar10, cifar100" in repr(done)
    assert "sets to condense: 0 of 1" in made(tmp_path / "out", dry_run=True).outlook()
    with pytest.raises(ConfigError, match="table = 'mdc-1a', but now table is 'mdc-1b'"):
        condensery.table("mdc-1b", out=tmp_path / "out", budget="smoke", data={"mine": "digits"})


@pytest.mark.parametrize("name", ["table.md", "thesis.tex"])
def test_a_folder_of_other_files_is_left_alone(tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=r"holds other things, and no paper-table\.json"):
        made(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_folder_of_a_newer_format_is_left_alone(tmp_path: Path):
    (tmp_path / "paper-table.json").write_text(json.dumps({"condensery_table": 2}))
    with pytest.raises(ArtifactError, match="table format 2, this library reads 1"):
        made(tmp_path)


def test_a_data_set_whose_name_is_no_folder_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="'my/data': the name is also that of a folder"):
        made(tmp_path / "out", data={"my/data": "digits"})
