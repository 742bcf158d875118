"""A set that is pushed is what other people load, and nothing of theirs is ever replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.hub import HubFile, is_on_hub
from condensery.data import load_data
from condensery.errors import ArtifactError, ConfigError
from condensery.parameterizations import MultiFormation
from condensery.selection import select
from condensery.sharing.publish import pull, push
from condensery.types import Examples

pytest.importorskip("pyarrow")
pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def small() -> CondensedSet:
    return select(load_data("digits").train, by="first", ipc=3)


@pytest.fixture(scope="module")
def colour() -> CondensedSet:
    """Random colours with learned labels and eleven sizes, whose images decode to four each."""
    classes, ipc = 3, 11
    draw = torch.Generator().manual_seed(0)
    class_ = torch.arange(classes).repeat(ipc)
    return CondensedSet.from_stored(
        Examples(
            images=torch.rand(classes * ipc, 3, 8, 8, generator=draw),
            labels=torch.rand(classes * ipc, classes, generator=draw).softmax(dim=1),
            class_=class_,
            rank=torch.arange(ipc).repeat_interleave(classes),
        ),
        name="colours",
        class_names=["crane", "crane", "T-shirt/top"],
        decode=MultiFormation(factor=2).decode_json(),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        method="nested",
        recipe={"method": "nested"},
        seed=0,
        data={"name": "colours", "fingerprint": "f", "images": 100, "classes": classes},
        created="now",
    )


def same(one: CondensedSet, two: CondensedSet) -> bool:
    return one.to_bytes() == two.to_bytes()


def test_the_folder_of_a_push_is_loaded_by_datasets_one_size_at_a_time(colour, tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "colours"
    push(colour, to="me/colours", license="mit", folder=folder)
    assert datasets.get_dataset_config_names(str(folder)) == [f"ipc-{k}" for k in range(1, 12)]
    for ipc in (1, 2, 11):
        split = datasets.load_dataset(
            str(folder), f"ipc-{ipc}", split="train", cache_dir=str(tmp_path / "cache")
        )
        wanted = colour.decode(ipc)
        assert split.column_names == ["image", "label", "rank", "soft_labels"]
        assert isinstance(split.features["label"], datasets.ClassLabel)
        assert split.features["label"].names == ["crane (0)", "crane (1)", "T-shirt/top"]
        assert split["rank"][:] == sorted(wanted.rank.tolist())
        images = np.stack([np.asarray(image) for image in split["image"]])
        order = wanted.rank.argsort(stable=True)
        pixels = (wanted.images[order] * 255).round().byte().permute(0, 2, 3, 1)
        assert np.array_equal(images, pixels.numpy())
        assert split["label"][:] == wanted.class_[order].tolist()
        soft = torch.tensor(split["soft_labels"][:])
        assert torch.equal(soft, wanted.labels[order])
    whole = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(whole) == len(colour.decode())  # the default is the full size
    assert same(CondensedSet.load(folder / "condensed.safetensors"), colour)


def test_a_pushed_set_is_loaded_by_its_word_wherever_a_file_is(
    hub, colour, small, tmp_path: Path, capsys
):
    done = push(colour, to="me/colours", license="mit", private=True, message="first")
    assert done.url.endswith("/datasets/me/colours")
    assert (hub.private["me/colours"], hub.commits) == (True, ["first"])
    for path in ("/api/repos/create", "/api/datasets/me/colours/commit/main"):
        assert hub.tokens[path] == "Bearer hf_secret"
    assert same(CondensedSet.load("hf://me/colours"), colour)
    assert same(pull("me/colours", tmp_path / "pulled.safetensors"), colour)
    assert same(CondensedSet.load(tmp_path / "pulled.safetensors"), colour)
    word, out = "hf://me/colours", str(tmp_path / "out.safetensors")
    for command in (
        ["pull", "me/colours@main", "--out", str(tmp_path / "again.safetensors")],
        ["inspect", word],
        ["inspect", word, "--json"],
        ["take", word, "--ipc", "2", "--out", out],
        ["export", word, "--to", "npz", "--out", str(tmp_path / "npz")],
        ["report", word, "--out", str(tmp_path / "page.html")],
    ):
        assert main(command) == 0, capsys.readouterr().err
    assert same(CondensedSet.load(out), colour.take(2))
    push(small, to="me/digits", license="mit")
    evaluation = ("--data", "digits", "--networks", "mlp", "--seeds", "1", "--steps", "1")
    words = ("evaluate", "hf://me/digits", *evaluation, "--sizes", "1")
    capsys.readouterr()
    assert main([*words]) == 2
    assert "--no-save" in capsys.readouterr().err
    assert main([*words, "--no-save", "--baselines", "hf://me/digits"]) == 0
    assert same(CondensedSet.load("hf://me/digits"), small)


@pytest.fixture(scope="module")
def large() -> CondensedSet:
    """A set whose images are most of its file."""
    return select(load_data("fashion-mini").train, by="first", ipc=40)


def test_a_size_is_pulled_with_the_bytes_that_it_needs(hub, large, tmp_path: Path, capsys):
    push(large, to="me/clothes", license="mit")
    hub.sent = 0
    found = pull("me/clothes", tmp_path / "two.safetensors", ipc=2)
    assert same(found, large.take(2))
    assert same(CondensedSet.load(tmp_path / "two.safetensors"), large.take(2))
    assert hub.sent < len(hub.files["me/clothes"]["condensed.safetensors"]) / 3
    assert same(pull("hf://me/clothes@main", ipc=40), large)
    words = ("pull", "me/clothes", "--ipc", "3", "--out", str(tmp_path / "three.safetensors"))
    assert main([*words]) == 0
    assert "3 images per class" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"ipc = 41, but this set holds the sizes 1\.\.40"):
        pull("me/clothes", ipc=41)


def test_a_server_that_sends_no_parts_gives_the_same_size(hub, colour):
    push(colour, to="me/colours", license="mit")
    hub.ranges = False
    assert same(pull("me/colours", ipc=2), colour.take(2))


def test_what_is_no_condensed_file_is_refused_when_a_size_is_pulled(hub, colour):
    push(colour, to="me/colours", license="mit")
    files = hub.files["me/colours"]
    whole = files["condensed.safetensors"]
    files["condensed.safetensors"] = whole[: len(whole) // 2]
    with pytest.raises(ArtifactError, match=r"hf://me/colours: is truncated"):
        pull("me/colours", ipc=10)
    files["condensed.safetensors"] = b"<html>no such thing</html>"
    with pytest.raises(ArtifactError, match="is no condensed file"):
        pull("me/colours", ipc=1)
    del files["condensed.safetensors"]
    with pytest.raises(ArtifactError, match="has no file"):
        pull("me/colours", ipc=1)
    with pytest.raises(ArtifactError, match="no data set of this name"):
        pull("me/absent", ipc=1)


def test_a_second_push_replaces_the_first_only_when_told_to(hub, small, tmp_path: Path):
    push(small, to="me/set", license="mit")
    hub.files["me/set"]["notes.txt"] = b"mine"
    with pytest.raises(ConfigError, match=r"published there before.*--overwrite"):
        push(small, to="me/set", license="mit")
    push(small.take(1), to="me/set", license="mit", overwrite=True)
    assert sorted(hub.files["me/set"]) == [
        *(".gitattributes", "README.md", "condensed.safetensors", "contact-sheet.png"),
        *("data/rank-0.parquet", "notes.txt"),
    ]
    assert same(CondensedSet.load("hf://me/set"), small.take(1))


def test_other_data_sets_are_never_replaced(hub, small):
    hub.files["me/photos"] = {".gitattributes": b"", "data.csv": b"1"}
    hub.private["me/photos"] = False
    with pytest.raises(ConfigError, match=r"other things, such as 'data\.csv'"):
        push(small, to="me/photos", license="mit", overwrite=True)
    assert hub.files["me/photos"] == {".gitattributes": b"", "data.csv": b"1"}


def test_what_the_hub_refuses_is_said_with_its_reason(hub, small):
    hub.refuses = "You do not have the rights to create a dataset under this namespace"
    with pytest.raises(ArtifactError, match=r"--to you/set: .*(rights|403)"):
        push(small, to="you/set", license="mit")
    with pytest.raises(ArtifactError, match="no data set of this name"):
        CondensedSet.load("hf://me/absent")
    hub.files["me/photos"] = {"data.csv": b"1"}
    with pytest.raises(ArtifactError, match=r"no file 'condensed\.safetensors'"):
        pull("me/photos")


def test_a_push_that_cannot_work_is_refused_before_anything_is_read(
    hub, each, monkeypatch, tmp_path: Path, capsys
):
    absent = str(tmp_path / "absent.safetensors")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for words, said in each(
        [
            (["--to", "me/set"], "none is guessed"),
            (["--to", "set", "--license", "mit"], "USER/NAME"),
            (["--to", "me/a--b", "--license", "mit"], "USER/NAME"),
            (
                ["--to", "me/set", "--license", "mit", "--to-folder", str(tmp_path / "full")],
                "never removed",
            ),
        ]
    ):
        assert main(["push", absent, *words]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main(["push", absent, "--to", "me/set", "--license", "mit"]) == 2
    assert "hf auth login" in capsys.readouterr().err
    assert hub.tokens == {}
    assert [x.name for x in tmp_path.iterdir()] == ["full"]


def test_words_of_the_hub_are_read_in_all_their_forms(each):
    for word, wanted in each(
        {
            "hf://me/set": ("me/set", None, "condensed.safetensors"),
            "hf://datasets/me/set@v1": ("me/set", "v1", "condensed.safetensors"),
            "hf://me/set@refs%2Fpr%2F1/a/b.safetensors": ("me/set", "refs/pr/1", "a/b.safetensors"),
        }.items()
    ):
        for given in (word, Path(word)):
            assert is_on_hub(given)
            found = HubFile.of(given)
            assert (found.repository, found.revision, found.file) == wanted
    for word in each(["hf://me", "hf://", "hf://me/set@", "hf:///me/../x"]):
        with pytest.raises(ConfigError, match="no file of the Hub"):
            HubFile.of(word)
    assert not is_on_hub("hf/me/set.safetensors")


def test_a_missing_package_is_named_with_its_extra(small, monkeypatch, tmp_path: Path):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"huggingface_hub.*condensery\[hub\]"):
        CondensedSet.load("hf://me/set")
    push(small, to="me/set", license="mit", folder=tmp_path / "set")  # needs no such package
