"""A released set from its file to its accuracy, and an exported one back again."""

from __future__ import annotations

import json

import numpy as np
import torch

from condensery import random_selection
from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data, whitened


def test_a_file_of_dc_is_imported_evaluated_and_cut(tmp_path, capsys):
    train = load_data("digits").train
    chosen = torch.cat([train.of_class(c)[:2] for c in range(10)])
    pair = [(train.pixels(chosen) - 0.3) / 0.4, train.labels[chosen]]
    released = tmp_path / "res_DC_digits_ConvNet_2ipc.pt"
    torch.save({"data": [pair], "accs_all_exps": {"ConvNet": [np.float64(0.9)]}}, released)
    out, seen = tmp_path / "dc.safetensors", tmp_path / "seen.jsonl"
    words = ["--format", "dc", "--data", "digits", "--mean", "0.3", "--std", "0.4"]
    assert main(["import", str(released), *words, "--out", str(out)]) == 0
    lengths = ["--sizes", "1,2", "--seeds", "1", "--steps", "3", "--networks", "convnet3-w16"]
    assert main(["evaluate", str(out), "--data", "digits", *lengths, "--out", str(seen)]) == 0
    records = [json.loads(line) for line in seen.read_text().splitlines()]
    assert {(record["set"], record["size"]) for record in records} == {
        (name, size) for name in ("condensed", "random") for size in (1, 2)
    }
    assert [record["size"] for record in CondensedSet.load(out).observations] == [1, 2]
    small = tmp_path / "one.safetensors"
    assert main(["take", str(out), "--ipc", "1", "--out", str(small)]) == 0
    assert main(["inspect", str(small), "--json"]) == 0
    said = capsys.readouterr().out
    facts = json.loads(said[said.index("{") :])
    assert facts["recipe"]["imported"]["file"] == released.name


def test_a_whitened_set_of_mtt_is_evaluated_with_the_learning_rate_it_has_learned(tmp_path):
    train = load_data("digits").train
    chosen = torch.cat([train.of_class(c)[:1] for c in range(10)])
    torch.save(whitened(train, "zca").normalise(train.pixels(chosen)), tmp_path / "images_best.pt")
    torch.save(train.labels[chosen], tmp_path / "labels_best.pt")
    torch.save(torch.tensor(0.02), tmp_path / "lr_best.pt")
    out, seen = tmp_path / "mtt.safetensors", tmp_path / "seen.jsonl"
    words = ["--format", "mtt", "--zca", "--data", "digits", "--out", str(out)]
    assert main(["import", str(tmp_path / "images_best.pt"), *words]) == 0
    lengths = ["--seeds", "1", "--steps", "3", "--networks", "convnet3-w16", "--protocol", "mtt"]
    assert main(["evaluate", str(out), "--data", "digits", *lengths, "--out", str(seen)]) == 0
    assert len(seen.read_text().splitlines()) == 2


def test_an_export_comes_back_as_it_was(tmp_path):
    whole = random_selection(load_data("digits").train, ipc=3, seed=0)
    whole.save(tmp_path / "set.safetensors")
    folder, back = tmp_path / "folder", tmp_path / "back.safetensors"
    assert main(["export", str(tmp_path / "set.safetensors"), "--out", str(folder)]) == 0
    words = ["--format", "folder", "--data", "digits", "--out", str(back)]
    assert main(["import", str(folder), *words]) == 0
    again = CondensedSet.load(back)
    assert torch.equal(again.images, whole.images)
    assert torch.equal(again.labels, whole.labels)
    assert torch.equal(again.rank, whole.rank)
