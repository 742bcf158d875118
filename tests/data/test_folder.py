"""Image folders are written here with Pillow, losslessly, and compared pixel by pixel."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condensery.data import load_data
from condensery.errors import DataError, DataWarning

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


def test_split_folders_are_told_apart(each, tmp_path_factory):
    for test in each(["test", "val", "valid", "validation", "Test"]):
        tmp_path = tmp_path_factory.mktemp("case")
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
        DataError, match=r"'cat/0.png' with 6 x 6 and 'dog/9.png' with 8 x 16.*image_size=.*6"
    ):
        load_data(tmp_path)
    assert load_data(tmp_path, image_size=6).train.side == (6, 6)


def test_size_gives_the_same_pixels_from_files_and_arrays(tmp_path: Path):
    images = written(tmp_path, shape=(9, 14, 3))
    from_files = load_data(tmp_path, image_size=5)
    from_arrays = load_data((images, [0, 0, 0, 1, 1, 1]), image_size=5)
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


def test_a_corrupt_image_is_named(each, tmp_path_factory):
    for content in each([b"", b"no image", Image.new("RGB", (6, 6)).tobytes()]):
        tmp_path = tmp_path_factory.mktemp("case")
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
    with pytest.raises(DataError, match=r"1 image without class folders, such as '0.png'"):
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
    with pytest.raises(DataError, match=r"train has 3 classes.*test has 2.*'emu' is in one"):
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


def listed(root: Path) -> list[str]:
    return [str(entry) for entry in load_data(root).skipped]


def test_classes_that_are_numbers_are_in_numeric_order(tmp_path: Path):
    names = tuple(str(i) for i in range(12))
    for name in names:
        save(tmp_path / name / "0.png", np.full((4, 4), int(name), np.uint8))
        save(tmp_path / name / "1.png", np.full((4, 4), int(name), np.uint8))
    data = load_data(tmp_path)
    assert data.train.class_names == names
    assert data.train.images[:, 0, 0, 0].tolist() == data.train.labels.tolist()


def test_images_below_class_folders_count_at_any_depth(tmp_path: Path):
    for class_, name in enumerate(("cat", "dog")):
        for place in ("", "web", "web/more/still"):
            for i in range(2):
                save(tmp_path / name / place / f"{i}.png", np.full((4, 4), class_, np.uint8))
    data = load_data(tmp_path)
    assert len(data.train) + len(data.test) == 12
    assert data.train.class_names == ("cat", "dog")
    assert data.train.images[:, 0, 0, 0].tolist() == data.train.labels.tolist()
    assert data.skipped == ()


def test_every_ending_of_an_image_is_read_beside_others(each, tmp_path_factory):
    for ending, kind in each(
        [
            *((".jfif", "JPEG"), (".jpe", "JPEG"), (".JPEG", "JPEG"), (".jp2", "JPEG2000")),
            *((".avif", "AVIF"), (".tga", "TGA"), (".qoi", "QOI"), (".pbm", "PPM")),
            *((".dib", "DIB"), ("", "PNG"), ("", "JPEG"), (".txt", "PNG")),
            *((".image", "WEBP"), (".png", "JPEG")),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        Image.init()
        if kind not in Image.SAVE:
            continue  # a Pillow that was built without this format
        written(tmp_path, each=2)
        for name in ("cat", "dog"):
            with (tmp_path / name / f"other{ending}").open("wb") as file:
                Image.fromarray(noise(6, 6, 3)).save(file, kind)
        data = load_data(tmp_path)
        assert len(data.train) + len(data.test) == 6
        assert data.skipped == ()


def test_files_that_are_no_image_are_counted_each_with_the_reason(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("P5 is a fine camera, and BMW a car")
    (tmp_path / "cat" / "sub").mkdir()
    (tmp_path / "cat" / "sub" / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "dog" / "gone").symlink_to(tmp_path / "nowhere")
    save(tmp_path / "beside.png", noise(6, 6, 3))
    assert listed(tmp_path) == [
        "beside.png: beside the class folders, so it has no class",
        "cat/notes.txt: not an image that Pillow can read",
        "cat/sub/a.HEIC: a HEIC picture, which Pillow does not read: convert it",
        "dog/gone: a link to a file that does not exist",
    ]


def test_what_systems_leave_in_folders_is_left_out_without_a_word(tmp_path: Path):
    images = written(tmp_path)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0.png"):
        (tmp_path / "cat" / name).write_bytes(b"\0\5\x16\7")
    for name in ("__MACOSX/cat", ".git", "cat/@eaDir", "cat/__MACOSX"):
        save(tmp_path / name / "0.png", noise(6, 6, 3))
    data = load_data(tmp_path)
    assert data.skipped == ()
    assert data.train.fingerprint == load_data((images, [0, 0, 0, 1, 1, 1])).train.fingerprint


def test_a_hidden_image_is_named(tmp_path: Path):
    written(tmp_path)
    save(tmp_path / "cat" / ".best.png", noise(6, 6, 3))
    assert listed(tmp_path) == ["cat/.best.png: a hidden image: its name begins with a dot"]


def test_a_class_may_be_called_like_background(tmp_path: Path):
    written(tmp_path, classes=("__background__", "cat"))
    assert load_data(tmp_path).train.class_names == ("__background__", "cat")


def test_links_are_followed_and_loops_are_not(tmp_path: Path):
    written(tmp_path / "store")
    root = tmp_path / "set"
    root.mkdir()
    for name in ("cat", "dog"):
        (root / name).symlink_to(tmp_path / "store" / name)
    (tmp_path / "store" / "cat" / "loop").symlink_to(tmp_path / "store" / "cat")
    data = load_data(root)
    assert len(data.train) + len(data.test) == 6
    assert [str(entry) for entry in data.skipped] == ["cat/loop: a link to a folder above it"]


def test_masks_of_images_are_no_images_of_the_class(each, tmp_path_factory):
    for place in each(["masks/{}.png", "{}_mask.png", "segmentation/{}_mask.png"]):
        tmp_path = tmp_path_factory.mktemp("case")
        images = written(tmp_path)
        for name in ("cat", "dog"):
            for i in range(3):
                save(tmp_path / name / place.format(i), noise(6, 6, 3))
        data = load_data(tmp_path)
        assert len(data.skipped) == 6
        assert all("mask" in entry.reason for entry in data.skipped)
        assert data.train.fingerprint == load_data((images, [0, 0, 0, 1, 1, 1])).train.fingerprint


def test_folders_that_only_sound_like_masks_are_read(tmp_path: Path):
    for name in ("with", "without"):
        for i in range(2):
            save(tmp_path / name / "masks" / f"{name}{i}.png", noise(6, 6, 3))
    assert load_data(tmp_path).skipped == ()


def test_a_folder_of_masks_beside_the_classes_is_no_class(tmp_path: Path):
    written(tmp_path)
    for i in range(3):
        save(tmp_path / "masks" / f"{i}.png", noise(6, 6, 3))
    data = load_data(tmp_path)
    assert data.train.class_names == ("cat", "dog")
    assert [str(entry) for entry in data.skipped] == [
        "masks: a folder with 3 masks of other images, by their names"
    ]


def test_splits_without_class_folders_are_no_classes(each, tmp_path_factory):
    for names in each([("train", "test"), ("training", "testing"), ("train", "val")]):
        tmp_path = tmp_path_factory.mktemp("case")
        for name in names:
            save(tmp_path / name / "0.png", noise(4, 4))
        with pytest.raises(DataError, match=rf"'{names[0]}' holds 1 image without.*which class"):
            load_data(tmp_path)


def test_folders_called_like_containers_or_parts_are_no_classes(each, tmp_path_factory):
    for names in each([("images", "data"), ("part1", "part2"), ("images_01", "images_02")]):
        tmp_path = tmp_path_factory.mktemp("case")
        written(tmp_path, classes=names)
        with pytest.raises(DataError, match=f"{names[0]}.*not like classes"):
            load_data(tmp_path)


def test_several_pairs_of_splits_are_refused(tmp_path: Path):
    for name in ("cats_train", "cats_test", "dogs_train", "dogs_test"):
        written(tmp_path / name)
    with pytest.raises(DataError, match="several folders are called like train splits"):
        load_data(tmp_path)


def test_two_train_folders_are_refused(tmp_path: Path):
    for name in ("train", "training", "test"):
        written(tmp_path / name)
    with pytest.raises(DataError, match="both 'train' and 'training'"):
        load_data(tmp_path)


def test_a_train_folder_of_folders_beside_other_folders_is_refused(tmp_path: Path):
    written(tmp_path / "train")
    written(tmp_path, classes=("car", "plane"))
    with pytest.raises(DataError, match="'train' may be the train split or a class"):
        load_data(tmp_path)


def test_a_single_folder_with_folders_in_it_is_not_guessed(tmp_path: Path):
    written(tmp_path / "set" / "cats", classes=("day", "night"))
    with pytest.raises(DataError, match=r"one folder only, 'cats'.*'day' and 'night'.*give"):
        load_data(tmp_path / "set")


def test_a_folder_that_says_nothing_about_classes_is_gone_through(each, tmp_path_factory):
    for above in each(["images", "set", "set/images", "data"]):
        tmp_path = tmp_path_factory.mktemp("case")
        written(tmp_path / "set" / above)
        assert load_data(tmp_path / "set").train.class_names == ("cat", "dog")


def test_folders_inside_all_class_folders_give_a_notice(tmp_path: Path):
    for name in ("part_a", "part_b"):
        written(tmp_path / name)
    with pytest.warns(DataWarning, match="outer folders, such as 'part_a'.*'cat' and 'dog'"):
        data = load_data(tmp_path)
    assert data.train.class_names == ("part_a", "part_b")


def test_one_name_in_two_unicode_forms_is_one_class(tmp_path: Path):
    train = written(tmp_path / "train", classes=("a", "Caf\u00e9"))
    test = written(tmp_path / "test", classes=("Cafe\u0301", "a"))
    data = load_data(tmp_path)
    assert data.train.class_names == ("Caf\u00e9", "a")
    ours = data.train.images[data.train.labels == 0]
    theirs = data.test.images[data.test.labels == 0]
    assert (ours.permute(0, 2, 3, 1).numpy() == train[3:]).all()
    assert (theirs.permute(0, 2, 3, 1).numpy() == test[:3]).all()


def test_names_that_are_not_utf8_are_read_and_printable(tmp_path: Path):
    root = os.fsencode(tmp_path / "set")
    for name in (b"gr\xfcn", b"rot"):
        os.makedirs(os.path.join(root, name))
        for i in range(2):
            with open(os.path.join(root, name, b"bl\xe4tt%d.png" % i), "wb") as file:
                Image.fromarray(noise(4, 4)).save(file, "PNG")
        with open(os.path.join(root, name, b"n\xf6.txt"), "wb") as file:
            file.write(b"no image")
    for _ in range(2):
        with pytest.warns(DataWarning, match=r"1 class name is not UTF-8.*'gr\\\\xfcn'"):
            data = load_data(tmp_path / "set", image_memory=0)
        assert data.train.class_names == ("gr\\xfcn", "rot")
        assert [entry.name for entry in data.skipped] == ["gr\\xfcn/n\\xf6.txt", "rot/n\\xf6.txt"]
        json.dumps([data.name, *data.train.class_names, *map(str, data.skipped)]).encode()
        str(data.notices).encode()


def test_a_parquet_file_beside_class_folders_does_not_hide_them(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    data = load_data(tmp_path)
    assert data.train.class_names == ("cat", "dog")
    assert [str(entry) for entry in data.skipped] == [
        "metadata.parquet: a table beside class folders"
    ]
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"Parquet files.*and folders of images"):
        load_data(tmp_path)


def test_a_folder_of_unreadable_pictures_names_them(tmp_path: Path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"no image that can be read: 2 file.*HEIC"):
        load_data(tmp_path)


def test_the_message_says_what_a_file_is_instead_of_an_image(each, tmp_path_factory):
    for content, reason in each(
        [
            (b"", "it is empty"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS.*git lfs pull"),
            (b"<!DOCTYPE html><html>404</html>", "a web page"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture"),
            (b"some text", "no image that Pillow knows"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        written(tmp_path)
        (tmp_path / "dog" / "1.png").write_bytes(content)
        with pytest.raises(
            DataError,
            match=f"'dog/1.png' of 6 cannot be read: it is {reason.removeprefix('it is ')}",
        ):
            load_data(tmp_path)


def test_a_link_to_an_image_that_is_gone_is_corrupt(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "dog" / "9.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"'dog/9.png' of 7.*link to a file that does not exist"):
        load_data(tmp_path)


def test_folders_that_are_chosen_are_classes_whatever_they_are_called(tmp_path: Path):
    images = written(tmp_path, classes=("test", "train"))
    with pytest.raises(DataError, match="which class"):
        load_data(tmp_path)
    data = load_data(tmp_path, classes=["train", "test"])
    assert data.train.class_names == ("train", "test")
    labels = [1, 1, 1, 0, 0, 0]
    order = np.argsort(labels, kind="stable")
    expected = load_data((images[order], np.array(labels)[order]))
    assert data.train.fingerprint == expected.train.fingerprint


def test_a_link_to_a_folder_above_the_classes_brings_in_no_other_class(tmp_path: Path):
    images = written(tmp_path)
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    data = load_data(tmp_path)
    assert [str(entry) for entry in data.skipped] == ["cat/up: a link to a folder above it"]
    assert data.train.fingerprint == load_data((images, [0, 0, 0, 1, 1, 1])).train.fingerprint


def test_other_formats_are_named(tmp_path: Path):
    (tmp_path / "train.tfrecord-00000-of-00001").write_bytes(b"x")
    with pytest.raises(DataError, match="TFRecord files are not read: save the images as files"):
        load_data(tmp_path)
