"""What ``condensery export`` writes is imported again, whatever the classes are called."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condensery.cli.main import main
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.importing import import_set
from condensery.data import Data, ImageData
from condensery.errors import DataError, DataWarning
from condensery.sharing.class_names import distinct, folder_names
from condensery.sharing.export import export
from condensery.types import Examples

FORMS = ["folder", "npz", "parquet", "webdataset"]
AWKWARD = {
    "equal": ["crane", "crane", "hen"],
    "equal to one with a number": ["crane", "crane", "crane (1)", "crane (1) (2)"],
    "slashes": ["T-shirt/top", "T-shirt\\top", "../up", "a/../b"],
    "case": ["Polish", "polish", "POLISH", "straße", "STRASSE"],
    "unicode forms": ["cafe\u0301", "caf\u00e9", "\ufb01sh", "fish"],
    "very long": ["x" * 400, "x" * 400 + "y", "\u00e9" * 300],
    "reserved": ["CON", "nul", "aux.png", "com1", "Lpt9.txt", "con"],
    "splits": ["train", "test", "val", "seg_train", "seg_test"],
    "what lies beside classes": ["export.json", "metadata", "labels", "images", "masks"],
    "hidden": [".git", "__pycache__", "..", ".", "_", "trailing. ", "   "],
    "empty": ["", " ", "a"],
    "control": ["a\nb", "a\tb", "a?b*", 'a"b', "a:b", "a|b<c>"],
    "not utf-8": ["caf\udce9", "caf\udcea"],
    "numbers": ["10", "9", "010", "1"],
    "other scripts": ["猫", "犬", "кот", "🐈", "🐕"],
    "commas": ["tench, Tinca tinca", "tench", "Tinca tinca"],
}

ALL = [name for names in AWKWARD.values() for name in names]


def set_of(names: list[str], *, ipc: int = 2, soft: bool = False) -> tuple[CondensedSet, Data]:
    """A set of random pixels, and data with the same classes."""
    rows = ipc * len(names)
    draw = torch.Generator().manual_seed(rows)
    levels = torch.randint(256, (rows, 3, 4, 4), generator=draw)
    class_ = torch.arange(len(names)).repeat(ipc)
    labels = class_
    if soft:
        labels = torch.rand(rows, len(names), generator=draw)
        labels /= labels.sum(dim=1, keepdim=True)
    condensed = CondensedSet.from_stored(
        Examples(
            images=levels / 255,
            labels=labels,
            class_=class_,
            rank=torch.arange(ipc).repeat_interleave(len(names)),
        ),
        name="awkward",
        class_names=names,
        decode={"kind": "pixels"},
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        method="random",
        recipe={"method": "random", "ipc": ipc},
        seed=0,
        data={"name": "awkward", "fingerprint": "", "images": rows, "classes": len(names)},
        created="now",
    )
    split = ImageData(
        name="awkward",
        images=levels.byte(),
        labels=class_,
        class_names=tuple(names),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
    )
    return condensed, Data(name="awkward", train=split, test=split)


def exported(condensed: CondensedSet, top: Path, form: str, *, stored: bool = False) -> Path:
    return export(condensed, top / "out", form=form, stored=stored).folder


def same(one: CondensedSet, two: CondensedSet) -> bool:
    return (
        torch.equal(one.images, two.images)
        and torch.equal(one.labels, two.labels)
        and torch.equal(one.rank, two.rank)
        and one.class_names == two.class_names
    )


def test_an_export_comes_back_whatever_its_classes_are_called(each, tmp_path_factory):
    for kind, form in each(product(AWKWARD, FORMS)):
        tmp_path = tmp_path_factory.mktemp("case")
        condensed, data = set_of(AWKWARD[kind])
        out = exported(condensed, tmp_path, form)
        assert same(import_set(out, format="folder", data=data), condensed)
        file = {"npz": out / "condensed.npz", "parquet": out / "train.parquet"}.get(form)
        if file is not None:
            assert same(import_set(file, format="folder", data=data), condensed)


def test_an_export_is_matched_with_its_data_by_name(each, tmp_path_factory):
    for form in each(FORMS):
        tmp_path = tmp_path_factory.mktemp("case")
        condensed, _ = set_of(["owl", "hen", "crane"])
        _, data = set_of(["crane", "owl", "hen"])
        found = import_set(exported(condensed, tmp_path, form), format="folder", data=data)
        assert found.class_names == ("crane", "owl", "hen")
        for label, name in enumerate(found.class_names):
            own = condensed.images[condensed.labels == condensed.class_names.index(name)]
            assert torch.equal(found.images[found.labels == label], own)


def test_equal_names_in_another_order_are_refused(each, tmp_path_factory):
    for form in each(FORMS):
        tmp_path = tmp_path_factory.mktemp("case")
        condensed, _ = set_of(["crane", "crane", "hen"])
        _, data = set_of(["hen", "crane", "crane"])
        out = exported(condensed, tmp_path, form)
        with pytest.raises(DataError, match=r"hen, crane, crane.*crane, crane, hen.*--classes"):
            import_set(out, format="folder", data=data)


def test_learned_labels_travel_in_every_form_but_a_folder(each, tmp_path_factory):
    condensed, data = set_of(["crane", "owl", "hen"], soft=True)
    for form in each(FORMS[1:]):
        out = exported(condensed, tmp_path_factory.mktemp("case"), form)
        found = import_set(out, format="folder", data=data)
        assert same(found, condensed)
        assert torch.equal(found.soft_labels, condensed.soft_labels)
    with pytest.warns(DataWarning, match=r"learned labels.*--to npz, parquet, webdataset"):
        exported(condensed, tmp_path_factory.mktemp("case"), "folder")


def test_an_export_with_real_test_images_comes_back_without_them(each, tmp_path_factory):
    condensed, data = set_of(["crane", "T-shirt/top", "CON"])
    for form in each(FORMS):
        out = tmp_path_factory.mktemp("case") / "out"
        made = export(condensed, out, form=form, data=data)
        assert (made.images, made.test_images) == (len(condensed), len(data.test))
        assert same(import_set(out, format="folder", data=data), condensed)


def test_a_damaged_shard_is_refused_with_its_name(tmp_path):
    condensed, data = set_of(["crane", "owl"])
    out = exported(condensed, tmp_path, "webdataset")
    shard = out / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(DataError, match=r"train-000000\.tar: cannot be read as a shard"):
        import_set(out, format="folder", data=data)


def test_a_stored_export_says_how_its_images_decode(tmp_path):
    condensed, data = set_of(["crane", "owl"])
    condensed.manifest["decode"] = {"kind": "multi-formation", "factor": 2, "order": "image"}
    condensed.manifest["examples_each"] = 4
    out = exported(condensed, tmp_path, "folder", stored=True)
    found = import_set(out, format="folder", data=data)
    assert same(found, condensed)
    assert found.manifest["decode"] == condensed.manifest["decode"]
    whole = import_set(out, format="folder", data=data, factor=1)
    assert whole.manifest["decode"] == {"kind": "pixels"}


def test_the_archive_of_an_export_is_not_taken_for_one_of_kip(tmp_path):
    condensed, data = set_of(["crane", "owl"])
    out = exported(condensed, tmp_path, "npz")
    with pytest.raises(DataError, match=r"condensery export.*--format folder"):
        import_set(out / "condensed.npz", format="kip", data=data)


def test_a_damaged_export_is_refused_with_its_file(each, tmp_path_factory):
    for content, message in each(
        [
            ("{", "cannot be read"),
            ("[]", "cannot be read"),
            ('{"class_names": [1]}', "no list of names"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        condensed, data = set_of(["crane", "owl"])
        out = exported(condensed, tmp_path, "folder")
        (out / "export.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=rf"export\.json: .*{message}.*"):
            import_set(out, format="folder", data=data)


def test_an_export_of_before_is_read_by_the_names_of_its_folders(tmp_path):
    condensed, data = set_of(["crane", "T-shirt/top"])
    out = exported(condensed, tmp_path, "folder")
    facts = json.loads((out / "export.json").read_text(encoding="utf-8"))
    (out / "export.json").write_text(
        json.dumps({key: facts[key] for key in facts if key not in ("folders", "form", "decode")}),
        encoding="utf-8",
    )
    assert same(import_set(out, format="folder", data=data), condensed)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.text(max_size=6), st.sampled_from(ALL)), max_size=8))
def test_folder_names_are_ones_that_every_file_system_holds(names):
    folders = folder_names(tuple(names))
    assert len({folder.casefold() for folder in folders}) == len(names)
    for folder in folders:
        assert 0 < len(folder.encode()) <= 140
        assert not set(folder) & set('/\\:*?"<>|\0\n\r\t')
        assert not folder.startswith((".", "__", " "))
        assert not folder.endswith((".", " "))
        assert folder.partition(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1", "lpt9")
        assert folder.lower() != "export.json"
    different = distinct(tuple(names))
    assert len(set(different)) == len(names)
    assert all(new.startswith(old) for new, old in zip(different, names, strict=True))


def test_equal_class_names_go_through_the_commands(tmp_path, capsys):
    draw = np.random.default_rng(0)
    np.savez(
        tmp_path / "dup.npz",
        images=draw.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8),
        labels=np.arange(24) % 3,
        class_names=np.array(["crane", "crane", "hen"]),
    )
    data, file = str(tmp_path / "dup.npz"), str(tmp_path / "set.safetensors")
    assert main(["select", data, "--by", "first", "--ipc", "2", "--out", file]) == 0
    for form in FORMS:
        out, back = str(tmp_path / form), str(tmp_path / f"{form}.safetensors")
        assert main(["export", file, "--to", form, "--out", out]) == 0
        assert main(["import", out, "--format", "folder", "--data", data, "--out", back]) == 0
        assert same(CondensedSet.load(back), CondensedSet.load(file))
    assert "each of the 3 labels of the file is the same label" in capsys.readouterr().out
