"""Image folders are written here with Pillow, losslessly, and compared pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condensery.data import load_data
from condensery.errors import DataError

RNG = np.random.default_rng(3)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def written(
    root: Path, *, classes: tuple[str, ...] = ("cat", "dog"), each: int = 3, shape=(6, 6, 3)
) -> np.ndarray:
    """Images in the order in which they should be read."""
    images = noise(len(classes) * each, *shape)
    for index, image in enumerate(images):
        save(root / classes[index // each] / f"{index % each}.png", image)
    return images


def test_class_folders_give_sorted_classes_and_exact_pixels(tmp_path: Path):
    images = written(tmp_path / "pets", classes=("ant", "bee", "cat"))
    data = load_data(tmp_path / "pets")
    labels = np.arange(9) // 3
    assert data.name == "pets"
    assert data.train.class_names == ("ant", "bee", "cat")
    assert data.train.fingerprint == load_data((images, labels)).train.fingerprint
    assert data.test.fingerprint == load_data((images, labels)).test.fingerprint


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation", "Test"])
def test_split_folders_are_told_apart(tmp_path: Path, test: str):
    train = written(tmp_path / "train", each=4)
    held = written(tmp_path / test, each=2)
    data = load_data(tmp_path)
    assert (data.train.images.permute(0, 2, 3, 1).numpy() == train).all()
    assert (data.test.images.permute(0, 2, 3, 1).numpy() == held).all()
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_test_goes_before_validation(tmp_path: Path):
    for split, each in (("train", 2), ("val", 3), ("test", 4)):
        written(tmp_path / split, each=each)
    assert len(load_data(tmp_path).test) == 8


def test_a_train_folder_alone_is_held_out(tmp_path: Path):
    written(tmp_path / "train", each=5)
    assert load_data(tmp_path).test.counts().tolist() == [1, 1]


def test_train_can_be_a_class(tmp_path: Path):
    written(tmp_path, classes=("car", "train"))
    assert load_data(tmp_path).train.class_names == ("car", "train")


def test_all_grey_gives_one_channel(tmp_path: Path):
    images = written(tmp_path, shape=(5, 4))
    data = load_data(tmp_path)
    assert data.train.images.shape[1:] == (1, 5, 4)
    assert data.train.fingerprint == load_data((images, [0, 0, 0, 1, 1, 1])).train.fingerprint


def test_one_colour_image_even_in_the_test_split_gives_three_channels(tmp_path: Path):
    grey = written(tmp_path / "train", shape=(5, 4))
    written(tmp_path / "test", shape=(5, 4))
    save(tmp_path / "test" / "cat" / "0.png", noise(5, 4, 3))
    data = load_data(tmp_path)
    assert data.train.channels == data.test.channels == 3
    assert (data.train.images.numpy() == grey[:, None]).all()


def test_mixed_sizes_need_a_size(tmp_path: Path):
    written(tmp_path)
    save(tmp_path / "dog" / "9.png", noise(8, 16, 3))
    with pytest.raises(
        DataError, match=r"'cat/0.png' with 6 x 6 and 'dog/9.png' with 8 x 16.*size=6"
    ):
        load_data(tmp_path)
    assert load_data(tmp_path, size=6).train.side == (6, 6)


def test_size_gives_the_same_pixels_from_files_and_arrays(tmp_path: Path):
    images = written(tmp_path, shape=(9, 14, 3))
    from_files = load_data(tmp_path, size=5)
    from_arrays = load_data((images, [0, 0, 0, 1, 1, 1]), size=5)
    assert from_files.train.fingerprint == from_arrays.train.fingerprint


def test_other_files_are_left_alone(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / ".hidden.png").write_text("no image")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "README.md").write_text("no class")
    data = load_data(tmp_path)
    assert data.train.class_names == ("cat", "dog")
    assert len(data.train) + len(data.test) == 6


@pytest.mark.parametrize(
    "content", [b"", b"no image", Image.new("RGB", (6, 6)).tobytes()], ids=["empty", "text", "raw"]
)
def test_a_corrupt_image_is_named(tmp_path: Path, content: bytes):
    written(tmp_path)
    (tmp_path / "dog" / "1.png").write_bytes(content)
    with pytest.raises(DataError, match=r"'dog/1.png' of 6 cannot be read.*skip_corrupt=True"):
        load_data(tmp_path)


def test_a_corrupt_image_can_be_skipped_and_is_recorded(tmp_path: Path):
    images = written(tmp_path, each=4)
    whole = (tmp_path / "dog" / "1.png").read_bytes()
    (tmp_path / "dog" / "1.png").write_bytes(whole[:-40])  # the header is whole
    (tmp_path / "cat" / "0.png").write_bytes(b"")
    data = load_data(tmp_path, skip_corrupt=True)
    assert tuple(entry.name for entry in data.skipped) == ("cat/0.png", "dog/1.png")
    kept = [1, 2, 3, 4, 6, 7]
    expected = load_data((images[kept], [0, 0, 0, 1, 1, 1]))
    assert data.train.fingerprint == expected.train.fingerprint
    assert data.test.fingerprint == expected.test.fingerprint


def test_a_truncated_image_is_corrupt_though_its_header_is_whole(tmp_path: Path):
    written(tmp_path)
    whole = (tmp_path / "dog" / "1.png").read_bytes()
    (tmp_path / "dog" / "1.png").write_bytes(whole[:-40])
    with pytest.raises(DataError, match=r"'dog/1.png' of 6 cannot be read"):
        load_data(tmp_path)


def test_a_corrupt_test_image_counts_too(tmp_path: Path):
    written(tmp_path / "train")
    held = written(tmp_path / "test")
    (tmp_path / "test" / "cat" / "2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"'test/cat/2.png'"):
        load_data(tmp_path)
    data = load_data(tmp_path, skip_corrupt=True)
    assert tuple(entry.name for entry in data.skipped) == ("test/cat/2.png",)
    assert len(data.train) == 6
    assert (data.test.images.permute(0, 2, 3, 1).numpy() == held[[0, 1, 3, 4, 5]]).all()
    assert data.test.labels.tolist() == [0, 0, 1, 1, 1]


def test_a_class_that_is_skipped_away_is_missed(tmp_path: Path):
    written(tmp_path, each=1)
    (tmp_path / "dog" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no train image of class 1 \(dog\)"):
        load_data(tmp_path, skip_corrupt=True)


def test_a_test_split_that_is_skipped_away_is_missed(tmp_path: Path):
    written(tmp_path / "train")
    written(tmp_path / "test", each=1)
    for name in ("cat", "dog"):
        (tmp_path / "test" / name / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match="no test image left"):
        load_data(tmp_path, skip_corrupt=True)


def test_nothing_but_corrupt_images_cannot_be_skipped(tmp_path: Path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"'cat/0.png' and 1 more of 2 cannot be read"):
        load_data(tmp_path, skip_corrupt=True)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is empty"):
        load_data(tmp_path)


def test_images_without_class_folders_are_refused(tmp_path: Path):
    save(tmp_path / "0.png", noise(4, 4))
    with pytest.raises(DataError, match=r"no class folders, only '0.png'"):
        load_data(tmp_path)


def test_a_class_folder_without_images_is_named(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "emu").mkdir()
    with pytest.raises(DataError, match=r"emu: this class folder holds no image"):
        load_data(tmp_path)


def test_one_class_only_is_refused(tmp_path: Path):
    written(tmp_path, classes=("cat",))
    with pytest.raises(DataError, match="one class"):
        load_data(tmp_path)


def test_splits_must_have_the_same_classes(tmp_path: Path):
    written(tmp_path / "train", classes=("cat", "dog", "emu"))
    written(tmp_path / "test")
    with pytest.raises(DataError, match=r"3 class folders and test has 2.*'emu'"):
        load_data(tmp_path)


def test_a_second_folder_can_be_the_test_split(tmp_path: Path):
    written(tmp_path / "one", each=4)
    held = written(tmp_path / "two", each=2)
    (tmp_path / "two" / "dog" / "9.png").write_bytes(b"")
    data = load_data(tmp_path / "one", test=tmp_path / "two", skip_corrupt=True)
    assert len(data.train) == 8
    assert (data.test.images.permute(0, 2, 3, 1).numpy() == held).all()
    assert tuple(entry.name for entry in data.skipped) == ("dog/9.png",)


def test_a_second_folder_must_have_the_same_classes(tmp_path: Path):
    written(tmp_path / "one", classes=("cat", "dog"))
    written(tmp_path / "two", classes=("cat", "fox"))
    with pytest.raises(DataError, match=r"cat, dog.*cat, fox.*'dog' is in one"):
        load_data(tmp_path / "one", test=tmp_path / "two")
