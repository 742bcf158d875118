"""``condensery import``: names, options, what is said, and what is left behind after a mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.importing.build import DTYPES
from condensery.condensed.manifest import IMAGE_DTYPES
from condensery.data import load_data


def test_the_types_of_images_are_those_of_the_file():
    assert tuple(DTYPES.values()) == IMAGE_DTYPES


@pytest.fixture(scope="module")
def of_dc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments of digits, normalised by 0.5 and 0.25; the second is brighter."""
    train = load_data("digits").train
    chosen = torch.cat([train.of_class(c)[:2] for c in range(10)])
    images, labels = (train.pixels(chosen) - 0.5) / 0.25, train.labels[chosen]
    path = tmp_path_factory.mktemp("dc") / "res_DC_digits.pt"
    data = [[images, labels], [images + 1, labels]]
    torch.save({"data": data, "accs_all_exps": {"ConvNet": [np.float64(0.5)]}}, path)
    return path


def command(file: Path, out: Path, *words: str) -> int:
    return main(
        ["import", str(file), "--format", "dc", "--data", "digits", "--out", str(out), *words]
    )


def test_what_was_done_is_said(of_dc, tmp_path, capsys):
    out = tmp_path / "set.safetensors"
    assert command(of_dc, out, "--mean", "0.5", "--std", "0.25", "--experiment", "1") == 0
    said = capsys.readouterr().out
    assert "2 images per class, 20 rows" in said
    assert "res_DC_digits.pt" in said
    assert "experiment 1 of 0..1" in said
    assert "undone: normalisation by mean 0.5, std 0.25 (given)" in said
    assert "% of the pixels were outside [0, 1] and were clamped, the furthest by 0.25" in said
    condensed = CondensedSet.load(out)
    assert condensed.name == "digits-dc-ipc2"
    assert condensed.images.dtype == torch.uint8


def test_the_options_reach_the_library(of_dc, tmp_path):
    out = tmp_path / "set.safetensors"
    words = ("--mean", "0.5", "--std", "0.25", "--ipc", "1", "--dtype", "float16", "--name", "mine")
    assert command(of_dc, out, *words) == 0
    condensed = CondensedSet.load(out)
    assert condensed.sizes == 1
    assert condensed.images.dtype == torch.float16
    assert condensed.manifest["data"]["name"] == "mine"


def test_labels_order_and_learning_rate_reach_the_library(tmp_path, capsys):
    train = load_data("digits").train
    chosen = torch.cat([train.of_class(c)[:2] for c in range(10)])
    images, labels = train.pixels(chosen), train.labels[chosen]
    torch.save(images * 4 - 2, tmp_path / "x.pt")
    torch.save(labels, tmp_path / "y.pt")
    torch.save([images, labels], tmp_path / "data.pt")
    out = tmp_path / "set.safetensors"
    common = ["--data", "digits", "--out", str(out), "--overwrite"]
    of_mtt = ["import", str(tmp_path / "x.pt"), "--format", "mtt", *common]
    assert main([*of_mtt, "--labels", str(tmp_path / "y.pt"), "--zca", "--learned-lr", "0.02"]) == 0
    assert "undone: ZCA whitening with eps 0.1" in capsys.readouterr().out
    assert CondensedSet.load(out).manifest["learned_lr"] == 0.02
    of_idc = ["import", str(tmp_path / "data.pt"), "--format", "idc", *common]
    assert main([*of_idc, "--factor", "2", "--order", "crop"]) == 0
    assert CondensedSet.load(out).manifest["decode"]["order"] == "crop"
    assert "nothing to undo" in capsys.readouterr().out


def test_a_mistake_is_one_message_and_leaves_nothing(each, of_dc, tmp_path_factory, capsys):
    for words, message in each(
        [
            ((), "--mean ... --std ..."),
            (("--mean", "0.5"), "Give both"),
            (("--mean", "0.5", "--std", "0.25", "--experiment", "7"), "0..1"),
            (("--factor", "2"), "means nothing for format dc"),
            (("--mean", "much", "--std", "1"), "much"),
            (("--dtype", "int8"), "uint8, float16, float32"),
            (("--format", "dcc"), "Did you mean 'dc'"),
            (("--experimnt", "1"), "Did you mean '--experiment'"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        out = tmp_path / "set.safetensors"
        assert command(of_dc, out, *words) == 2
        said = capsys.readouterr()
        assert message in said.err
        assert said.err.count("condensery: error:") == 1
        assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(of_dc, tmp_path, capsys):
    out = tmp_path / "set.safetensors"
    out.write_bytes(b"mine")
    assert command(of_dc, out, "--mean", "0.5", "--std", "0.25") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert command(of_dc, out, "--overwrite") == 2  # refused for another reason: still kept
    assert out.read_bytes() == b"mine"
