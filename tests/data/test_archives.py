"""Archives are unpacked once, whole or not at all, and never outside their folder."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condensery.data import load_data
from condensery.data.readers import archives
from condensery.errors import DataError

CLASSES = ("ant", "bee")


def encoded(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def entries(top: str = "flowers/") -> dict[str, bytes]:
    return {f"{top}{name}/{i}.png": encoded(c) for c, name in enumerate(CLASSES) for i in range(3)}


def tar(path: Path, held: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # pyright: ignore
        for name, content in held.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def packed_zip(path: Path, held: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_kind_of_archive_is_read(each, tmp_path_factory):
    for top, (name, mode) in each(
        product(
            ["flowers/", "photos/", ""],
            [
                *(("flowers.tar", "w"), ("flowers.tar.gz", "w:gz"), ("flowers.tgz", "w:gz")),
                *(("flowers.tar.bz2", "w:bz2"), ("flowers.tar.xz", "w:xz"), ("Flowers.ZIP", "zip")),
            ],
        )
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / name
        if mode == "zip":
            packed_zip(path, entries(top))
        else:
            tar(path, entries(top), mode)
        data = load_data(path)
        assert data.name.lower() == "flowers"
        assert data.train.class_names == CLASSES
        assert data.train.images[:, 0, 0, 0].tolist() == data.train.labels.tolist()


def test_an_archive_is_unpacked_once_and_found_again(tmp_path: Path, monkeypatch, own_cache):
    path = packed_zip(tmp_path / "flowers.zip", entries())
    first = load_data(path)
    assert files(tmp_path) == ["flowers.zip"]
    assert files(own_cache)[0].startswith("archives/flowers-")
    monkeypatch.setattr(archives, "_unpack", lambda *_: pytest.fail("unpacked again"))
    second = load_data(path)
    assert first.train.fingerprint == second.train.fingerprint
    monkeypatch.undo()
    packed_zip(
        path, {**entries(), "flowers/cat/0.png": encoded(2), "flowers/cat/1.png": encoded(2)}
    )
    assert load_data(path).train.class_names == (*CLASSES, "cat")


def test_a_folder_that_holds_an_archive_only_is_the_archive(tmp_path: Path):
    root = tmp_path / "downloads"
    root.mkdir()
    packed_zip(root / "flowers.zip", entries())
    assert load_data(root).train.class_names == CLASSES
    assert files(root) == ["flowers.zip"]


def test_archives_inside_an_archive_are_unpacked(tmp_path: Path):
    for split in ("train", "test1"):
        packed_zip(tmp_path / f"{split}.zip", entries(f"{split}/"))
    inner = {f"{name}.zip": (tmp_path / f"{name}.zip").read_bytes() for name in ("train", "test1")}
    (tmp_path / "set").mkdir()
    packed_zip(tmp_path / "set" / "all.zip", {**inner, "sampleSubmission.csv": b"id,label\n"})
    data = load_data(tmp_path / "set")
    assert (len(data.train), len(data.test)) == (6, 6)


def test_archives_that_do_not_belong_together_are_refused(tmp_path: Path, own_cache):
    for name in ("cars", "flowers"):
        packed_zip(tmp_path / f"{name}.zip", entries())
    with pytest.raises(DataError, match="2 archives, such as 'cars' and 'flowers'"):
        load_data(tmp_path)
    assert not own_cache.exists()


def test_images_go_before_archives_beside_them(tmp_path: Path):
    for name, content in entries("").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "flowers.zip").write_bytes(b"")
    assert load_data(tmp_path).train.class_names == CLASSES


def linked(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("flowers/ant/link.png")
    member.type = kind
    member.linkname = "../../../outside.png"
    return member


def test_names_that_lead_out_of_an_archive_are_refused(each, tmp_path_factory):
    for kind, name in each(
        product(
            ["zip", "tar"],
            [
                "../evil.png",
                "flowers/../../evil.png",
                "/tmp/evil.png",
                "C:/evil.png",
                "a\\..\\b.png",
            ],
        )
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        root = tmp_path / "in"
        root.mkdir()
        held = {**entries(), name: b"evil"}
        path = packed_zip(root / "x.zip", held) if kind == "zip" else tar(root / "x.tar.gz", held)
        with pytest.raises(DataError, match=r"leads out of the archive.*unpack it yourself"):
            load_data(path)
        assert files(tmp_path) == [f"in/{path.name}"]
        assert not Path("/tmp/evil.png").exists()


def test_links_and_devices_are_refused(each, tmp_path_factory):
    for kind in each([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tar(tmp_path / "x.tar", entries(), "w")
        with tarfile.open(path, "a") as archive:
            archive.addfile(linked(kind))
        with pytest.raises(DataError, match=r"link.png' is a link or a device"):
            load_data(path)
        assert files(tmp_path) == ["x.tar"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path):
    path = packed_zip(tmp_path / "x.zip", entries())
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("flowers/ant/link.png")
        entry.create_system = 3
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match=r"link.png' is a link or a device"):
        load_data(path)
    assert files(tmp_path) == ["x.zip"]


def test_a_damaged_archive_leaves_nothing(each, tmp_path_factory, own_cache):
    for cut, name in each(product([0, 40, -200], ["x.zip", "x.tar.gz", "x.tar"])):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / name
        if name == "x.zip":
            packed_zip(path, entries())
        else:
            tar(path, entries(), "w" if name == "x.tar" else "w:gz")
        size = {"x.tar": 3000 + cut}.get(name, cut)  # tar files end in many zeros
        path.write_bytes(path.read_bytes()[: cut and size])
        with pytest.raises(DataError, match=r"cannot be unpacked \(.*fetch it again"):
            load_data(path)
        assert files(tmp_path) == [name]
        assert files(own_cache) == []


def test_an_encrypted_archive_is_refused(tmp_path: Path):
    path = packed_zip(tmp_path / "x.zip", entries())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 4)
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        load_data(path)


def test_a_full_disk_is_noticed_before_a_zip_is_unpacked(tmp_path: Path, monkeypatch):
    path = packed_zip(tmp_path / "x.zip", entries())
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(
        DataError, match=r"cannot be unpacked into .*0\.0 are free.*CONDENSERY_CACHE"
    ):
        load_data(path)
    assert files(tmp_path) == ["x.zip"]


def test_a_cache_folder_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch):
    path = packed_zip(tmp_path / "x.zip", entries())
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONDENSERY_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be unpacked into .*CONDENSERY_CACHE"):
        load_data(path)


def test_another_kind_of_archive_is_named(tmp_path: Path):
    (tmp_path / "flowers.rar").write_bytes(b"Rar!")
    with pytest.raises(DataError, match=r"'flowers.rar', whose format is not unpacked here"):
        load_data(tmp_path)


def test_what_systems_put_into_archives_is_left_out(tmp_path: Path):
    junk = {
        "__MACOSX/flowers/ant/._0.png": b"",
        "flowers/.DS_Store": b"",
        "flowers/ant/._0.png": b"",
    }
    data = load_data(packed_zip(tmp_path / "flowers.zip", {**entries(), **junk}))
    assert data.skipped == ()
    assert [name for name in files(tmp_path) if "MACOSX" in name or "._" in name] == []


def test_a_name_that_is_not_utf8_is_unpacked(tmp_path: Path):
    held = {os.fsdecode(b"flowers/gr\xfcn/%d.png" % i): encoded(0) for i in range(3)}
    with pytest.warns(UserWarning, match="not UTF-8"):
        data = load_data(tar(tmp_path / "x.tar", {**entries(), **held}, "w"))
    assert data.train.class_names == (*CLASSES, "gr\\xfcn")
