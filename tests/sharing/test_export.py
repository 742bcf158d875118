"""Exports are what other programs expect to find."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condensery.condensed.artifact import CondensedSet
from condensery.data import load_data
from condensery.errors import ConfigError, DataError
from condensery.selection import select
from condensery.sharing.export import export
from condensery.types import Examples


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def small(digits) -> CondensedSet:
    return select(digits.train, by="first", ipc=3)


def learned(small: CondensedSet) -> CondensedSet:
    """The same set with learned labels."""
    drawn = torch.rand(len(small), small.classes, generator=torch.Generator().manual_seed(0))
    decoded = small.decode()
    return CondensedSet.from_stored(
        Examples(
            images=decoded.images,
            labels=drawn.softmax(dim=1),
            class_=decoded.labels,
            rank=decoded.rank,
        ),
        **{key: small.manifest[key] for key in ("name", "class_names", "decode", "mean", "std")},
        **{key: small.manifest[key] for key in ("method", "recipe", "seed", "data", "created")},
    )


def test_a_folder_with_real_test_images_is_read_as_a_data_set_with_two_splits(
    digits, small, tmp_path: Path
):
    made = export(small, tmp_path / "out", ipc=2, data=digits)
    assert sorted(x.name for x in made.folder.iterdir()) == ["export.json", "test", "train"]
    read = load_data(made.folder)
    assert (
        (len(read.train), len(read.test))
        == (made.images, made.test_images)
        == (20, len(digits.test))
    )
    for split, wanted in ((read.train, small.take(2)), (read.test, digits.test)):
        for label in range(10):
            got = {x.numpy().tobytes() for x in split.images[split.labels == label]}
            assert got == {x.numpy().tobytes() for x in wanted.images[wanted.labels == label]}


def test_a_parquet_export_holds_rank_and_learned_labels_in_every_row(digits, small, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    taught = learned(small)
    out = export(taught, tmp_path / "out", form="parquet", data=digits).folder
    table = parquet.read_table(out / "train.parquet")
    assert table.column_names == ["image", "label", "rank", "soft_labels"]
    assert table["rank"].to_pylist() == taught.rank.tolist()
    assert table["label"].to_pylist() == taught.labels.tolist()
    soft = np.array(table["soft_labels"].to_pylist(), np.float32)
    assert np.array_equal(soft, taught.soft_labels.numpy())
    test = parquet.read_table(out / "test.parquet")
    assert test.schema == table.schema
    assert (
        test["rank"].null_count == test["soft_labels"].null_count == len(test) == len(digits.test)
    )
    assert test["label"].to_pylist() == digits.test.labels.tolist()


def test_the_shards_of_an_export_hold_one_sample_after_the_other(
    digits, small, monkeypatch, tmp_path: Path
):
    monkeypatch.setattr("condensery.sharing.forms._SHARD", 20)
    taught = learned(small)
    out = export(taught, tmp_path / "out", form="webdataset", data=digits).folder
    shards = sorted(out.glob("train-*.tar"))
    assert [shard.name for shard in shards] == ["train-000000.tar", "train-000001.tar"]
    assert len(list(out.glob("test-*.tar"))) == 18
    found = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            names = tar.getnames()
            assert [name.split(".")[1] for name in names] == ["png", "cls", "json"] * (
                len(names) // 3
            )
            found += [tar.extractfile(name).read() for name in names]
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in found[::3]])
    assert np.array_equal(pictures[:, None], taught.images.numpy())
    assert [int(data) for data in found[1::3]] == taught.labels.tolist()
    facts = [json.loads(data) for data in found[2::3]]
    assert [x["rank"] for x in facts] == taught.rank.tolist()
    assert [x["class"] for x in facts] == [taught.class_names[c] for c in taught.labels]
    soft = np.array([x["soft_labels"] for x in facts], np.float32)
    assert np.array_equal(soft, taught.soft_labels.numpy())
    again = export(taught, tmp_path / "again", form="webdataset", data=digits).folder
    for file in sorted(out.glob("*.tar")):
        assert (again / file.name).read_bytes() == file.read_bytes()


def test_test_images_of_other_data_are_refused_and_nothing_is_left(small, tmp_path: Path):
    with pytest.raises(DataError, match="fashion-mini"):
        export(small, tmp_path / "out", data=load_data("fashion-mini"))
    with pytest.raises(ConfigError, match=r"--to hdf5: is unknown; known are folder, npz"):
        export(small, tmp_path / "out", form="hdf5")
    assert list(tmp_path.iterdir()) == []
