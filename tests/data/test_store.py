"""Large sets are decoded once into a file, and look like any other."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condensery.data import ImageData, load_data
from condensery.data.decoding import decode
from condensery.data.statistics import measure
from condensery.errors import DataError

DRAW = np.random.default_rng(0)


def pictures(
    root: Path, *, images: int = 6, side: int = 8, splits: tuple[str, ...] = ("",)
) -> Path:
    for split in splits:
        for name in ("a", "b"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(images):
                pixels = DRAW.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("splits", [("train", "test"), ("",)], ids=["split", "held-out"])
def test_a_mapped_set_is_the_set_that_memory_holds(tmp_path, splits, own_cache):
    pictures(tmp_path / "set", splits=splits)
    held = load_data(tmp_path / "set")
    assert held.mapped is None
    assert not own_cache.exists()
    for again in range(2):
        mapped = load_data(tmp_path / "set", image_memory=0)
        assert mapped.mapped is not None
        assert Path(mapped.mapped).parent == own_cache / "images"
        for ours, theirs in ((mapped.train, held.train), (mapped.test, held.test)):
            assert torch.equal(ours.images, theirs.images), again
            assert torch.equal(ours.labels, theirs.labels)
            assert ours.fingerprint == theirs.fingerprint
            assert (ours.mean, ours.std) == (theirs.mean, theirs.std)
        index = torch.tensor([3, 0])
        assert torch.equal(mapped.train.pixels(index), held.train.pixels(index))


def test_folders_that_look_alike_have_files_of_their_own(tmp_path):
    """Names, sizes and times are equal in many sets that were unpacked."""
    roots = [pictures(tmp_path / name) for name in ("one", "two")]
    paths = [sorted(root.rglob("*.png")) for root in roots]
    for first, second in zip(*paths, strict=True):
        content = bytearray(first.read_bytes())
        second.write_bytes(bytes(content))
        os.utime(first, (1e9, 1e9))
        os.utime(second, (1e9, 1e9))
    found = [load_data(root, image_memory=0).mapped for root in roots]
    assert found[0] != found[1]


def test_images_up_to_the_budget_stay_in_memory(tmp_path):
    pictures(tmp_path, images=2)
    size = 4 * 3 * 8 * 8
    assert load_data(tmp_path, image_memory=size).mapped is None
    assert load_data(tmp_path, image_memory=size - 1).mapped is not None


def test_what_was_decoded_once_is_not_decoded_again(tmp_path, monkeypatch):
    pictures(tmp_path / "set")
    first = load_data(tmp_path / "set", image_memory=0)
    monkeypatch.setattr(decode, "_pixels", lambda *_, **__: pytest.fail("decoded again"))
    second = load_data(tmp_path / "set", image_memory=0)
    assert first.train.fingerprint == second.train.fingerprint
    assert files(tmp_path / "set") == ["a", "b"]


def test_what_was_hashed_once_is_not_hashed_again_but_another_part_is(tmp_path, monkeypatch):
    pictures(tmp_path / "set")
    held = load_data(tmp_path / "set")
    first = load_data(tmp_path / "set", image_memory=0)
    one = load_data(tmp_path / "set", image_memory=0, test=str(tmp_path / "set"))
    assert one.train.fingerprint != first.train.fingerprint  # nothing is held out
    fresh = ImageData.fingerprint.func
    monkeypatch.setattr(ImageData, "fingerprint", property(lambda _: pytest.fail("hashed again")))
    again = load_data(tmp_path / "set", image_memory=0)
    for ours, theirs in ((again.train, held.train), (again.test, held.test)):
        assert vars(ours)["fingerprint"] == fresh(theirs)
    Path(str(again.mapped)).touch()
    with pytest.raises(pytest.fail.Exception):
        load_data(tmp_path / "set", image_memory=0)


def test_another_source_or_a_damaged_file_is_decoded_anew(each, tmp_path_factory, own_cache):
    for change in each(["image", "added", "size", "damaged", "manifest", "unsealed"]):
        tmp_path = tmp_path_factory.mktemp("case")
        root, cache = pictures(tmp_path / "set"), own_cache / "images"
        before = set(cache.glob("*.pixels"))
        load_data(root, image_memory=0)
        made = set(cache.glob("*.pixels")) - before
        (pixels,) = (path for path in made if "-" not in path.name)
        if change == "image":
            Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(root / "a" / "3.png")
        elif change == "added":
            Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(root / "a" / "9.png")
        elif change == "damaged":
            pixels.write_bytes(pixels.read_bytes()[:-1])
        elif change == "manifest":
            pixels.with_suffix(".json").write_text("{")
        elif change == "unsealed":
            pixels.with_suffix(".json").unlink()
        size = 4 if change == "size" else None
        again = load_data(root, image_memory=0, image_size=size)
        expected = load_data(root, image_size=size)
        assert again.train.fingerprint == expected.train.fingerprint
        assert again.test.fingerprint == expected.test.fingerprint


def test_corrupt_images_are_left_out_of_the_file_and_named_again(tmp_path, own_cache):
    root = pictures(tmp_path / "set", splits=("train", "test"))
    whole = (root / "train" / "a" / "2.png").read_bytes()
    (root / "train" / "a" / "2.png").write_bytes(whole[: len(whole) // 2])  # found when decoded
    (root / "test" / "b" / "0.png").write_bytes(b"no image")  # found by its header
    with pytest.raises(DataError, match=r"2\.png|0\.png"):
        load_data(root, image_memory=0)
    assert files(own_cache / "images") == []
    held = load_data(root, skip_corrupt=True)
    for _ in range(2):
        mapped = load_data(root, skip_corrupt=True, image_memory=0)
        assert mapped.skipped == held.skipped
        assert [entry.name for entry in held.skipped] == ["train/a/2.png", "test/b/0.png"]
        assert mapped.train.fingerprint == held.train.fingerprint
        assert mapped.test.fingerprint == held.test.fingerprint


def test_memory_holds_a_block_of_images_not_the_set(tmp_path, monkeypatch):
    pictures(tmp_path, images=60, side=64, splits=("train", "test"))
    monkeypatch.setattr(decode, "_BLOCK", 8)
    size = 240 * 3 * 64 * 64
    tracemalloc.start()
    data = load_data(tmp_path, image_memory=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data.train) + len(data.test) == 240
    assert peak < size / 4


def test_writing_to_mapped_images_leaves_the_file_alone(tmp_path):
    pictures(tmp_path)
    first = load_data(tmp_path, image_memory=0)
    before = Path(str(first.mapped)).read_bytes()
    first.train.images.zero_()
    assert Path(str(first.mapped)).read_bytes() == before


def test_parquet_files_are_mapped_too(tmp_path, own_cache):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pictures(tmp_path / "images")
    encoded = [path.read_bytes() for path in sorted((tmp_path / "images").rglob("*.png"))]
    table = pa.table({"image": encoded, "label": [0] * 6 + [1] * 6})
    for split in ("train", "test"):
        pq.write_table(table, tmp_path / f"{split}.parquet")
    held = load_data(tmp_path / "*.parquet")
    for _ in range(2):
        mapped = load_data(tmp_path / "*.parquet", image_memory=0)
        assert Path(str(mapped.mapped)).parent == own_cache / "images"
        assert mapped.train.fingerprint == held.train.fingerprint


def test_a_folder_that_cannot_be_written_to_is_refused_with_what_would_do(tmp_path, monkeypatch):
    pictures(tmp_path / "set")
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONDENSERY_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept in .*CONDENSERY_CACHE.*--image-memory"):
        load_data(tmp_path / "set", image_memory=0)


def test_a_disk_that_is_full_is_noticed_before_anything_is_decoded(tmp_path, monkeypatch):
    pictures(tmp_path)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr(decode, "_pixels", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"0\.0 GB are free there"):
        load_data(tmp_path, image_memory=0)


def test_what_is_noted_beside_the_pixels_can_be_read(tmp_path):
    pictures(tmp_path, splits=("train", "test"))
    data = load_data(tmp_path, image_memory=0)
    facts = json.loads(Path(str(data.mapped)).with_suffix(".json").read_text())
    assert facts == {"shape": [24, 3, 8, 8], "dropped": [], "skipped": [], "notices": []}
    assert os.stat(str(data.mapped)).st_size == 24 * 3 * 8 * 8


def test_statistics_do_not_depend_on_the_blocks_they_are_measured_in():
    from condensery.data import statistics

    images = torch.from_numpy(DRAW.integers(0, 256, (50, 3, 5, 7), dtype=np.uint8))
    counts = statistics._histogram(images[:, 1], most=40)
    assert torch.equal(counts, torch.bincount(images[:, 1].reshape(-1), minlength=256))
    exact = images.double() / 255
    assert measure(images).mean == pytest.approx(exact.mean(dim=(0, 2, 3)).tolist())
