"""Paths with nothing, or nothing known, at them: the message should help."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from condensery.data import load_data
from condensery.errors import DataError


def test_the_nearest_name_beside_a_missing_path_is_offered(tmp_path: Path):
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DataError, match=r"flower: there is no such .* Did you mean 'flowers'\?"):
        load_data(tmp_path / "flower")


def test_the_first_missing_part_of_a_path_is_named(tmp_path: Path):
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DataError, match=r"there is no '.*/flowrs'\). Did you mean 'flowers'\?"):
        load_data(tmp_path / "flowrs" / "train")


def test_a_misspelt_built_in_name_is_offered():
    with pytest.raises(DataError, match=r"Did you mean 'digits'\?.*Nothing is downloaded"):
        load_data("digit")


def test_a_pattern_without_files_is_missing(tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        load_data(tmp_path / "*.parquet")


def test_other_files_are_refused_by_their_ending(tmp_path: Path):
    path = tmp_path / "images.pt"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"ends in '.pt' is not read. Give a .npz or .parquet"):
        load_data(path)


def test_several_files_must_be_parquet(tmp_path: Path):
    for name in ("a.npz", "b.npz"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"a.npz: several files together must be Parquet"):
        load_data([tmp_path / "a.npz", tmp_path / "b.npz"])
    with pytest.raises(DataError, match=r"several files together"):
        load_data(tmp_path / "*.npz")
    with pytest.raises(DataError, match="no such file"):
        load_data([str(tmp_path / "c.parquet")])


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    monkeypatch.setenv("USERPROFILE", os.fspath(tmp_path))
    np.savez(tmp_path / "made.npz", images=np.zeros((4, 2, 2), np.uint8), labels=[0, 1, 0, 1])
    data = load_data("~/made.npz")
    assert data.name == "made"


def test_a_folder_can_be_called_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    with pytest.raises(DataError, match="is empty"):
        load_data(Path("digits"))
    with pytest.raises(DataError, match="is empty"):
        load_data("./digits")
    assert len(load_data("digits").train) == 1442
