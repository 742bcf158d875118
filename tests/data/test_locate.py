"""Data sets by name: found in every layout in which people have them, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from condensery.data import locate
from condensery.data.imagenet import IMAGENET_10, IMAGENET_100
from condensery.data.known import KNOWN
from condensery.errors import DataError

SETS = tuple(KNOWN)


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def idx(folder: Path) -> None:
    for split in ("train", "t10k"):
        touch(folder / f"{split}-images-idx3-ubyte.gz")
        touch(folder / f"{split}-labels-idx1-ubyte.gz")


def cifar(folder: Path, *, first: str, names: str) -> None:
    touch(folder / first)
    touch(folder / names)


def imagenet(folder: Path, classes: tuple[str, ...] = IMAGENET_10) -> None:
    for split in ("train", "val"):
        for name in classes:
            touch(folder / split / name / f"{name}_1.JPEG")


LAYOUTS = {
    ("mnist", "MNIST/raw"): lambda at: idx(at / "MNIST/raw"),
    ("fashion-mnist", "FashionMNIST/raw"): lambda at: idx(at / "FashionMNIST/raw"),
    ("fashion-mnist", "fashion-mnist"): lambda at: idx(at / "fashion-mnist"),
    ("cifar10", "cifar-10-batches-py"): lambda at: cifar(
        at / "cifar-10-batches-py", first="data_batch_1", names="batches.meta"
    ),
    ("cifar10", "cifar-10-batches-bin"): lambda at: cifar(
        at / "cifar-10-batches-bin", first="data_batch_1.bin", names="batches.meta.txt"
    ),
    ("cifar10", "CIFAR10/cifar-10-batches-py"): lambda at: cifar(
        at / "CIFAR10/cifar-10-batches-py", first="data_batch_1", names="batches.meta"
    ),
    ("cifar10", "cifar10[-_.]*parquet"): lambda at: touch(at / "cifar10-train.parquet"),
    ("cifar10", "CIFAR-10/*/*.parquet"): lambda at: touch(at / "CIFAR-10/data/train-0.parquet"),
    ("cifar10", "cifar10.npz"): lambda at: touch(at / "cifar10.npz"),
    ("cifar100", "cifar-100-python"): lambda at: cifar(
        at / "cifar-100-python", first="train", names="meta"
    ),
    ("cifar100", "cifar100/*.parquet"): lambda at: touch(at / "cifar100/train.parquet"),
    ("svhn", "."): lambda at: touch(at / "train_32x32.mat"),
    ("svhn", "svhn"): lambda at: touch(at / "svhn/train_32x32.mat"),
    ("svhn", "svhn/cropped_digits/t*.parquet"): lambda at: [
        touch(at / f"svhn/cropped_digits/{part}-0.parquet") for part in ("train", "test", "extra")
    ],
    ("imagenet-10", "imagenet"): lambda at: imagenet(at / "imagenet", (*IMAGENET_100, "n0")),
    ("imagenet-10", "ImageNet-10"): lambda at: imagenet(at / "ImageNet-10"),
    ("imagenet-10", "ILSVRC/Data/CLS-LOC"): lambda at: imagenet(at / "ILSVRC/Data/CLS-LOC"),
    ("imagenet-100", "imagenet"): lambda at: imagenet(at / "imagenet", IMAGENET_100),
    ("imagenette", "imagenette2-160"): lambda at: imagenet(at / "imagenette2-160"),
    ("imagenette", "imagenette128[-_.]*parquet"): lambda at: touch(
        at / "imagenette128-10x200-train.parquet"
    ),
}


def test_a_set_is_found_by_its_name_in_each_of_its_layouts(each, tmp_path_factory):
    for case in each(LAYOUTS):
        tmp_path = tmp_path_factory.mktemp("case")
        name, place = case
        LAYOUTS[case](tmp_path / "data")
        assert locate.find(name, tmp_path / "data") == str(tmp_path / "data" / place)


def test_a_set_is_not_mistaken_for_another(each, tmp_path_factory):
    for name in each([name for name in SETS if not name.startswith("imagenet-")]):
        tmp_path = tmp_path_factory.mktemp("case")
        for (other, _), make in LAYOUTS.items():
            if other != name:
                make(tmp_path / "data")
        with pytest.raises(DataError, match=f"^{name} was not found under "):
            locate.find(name, tmp_path / "data")


def test_the_folder_of_a_set_can_be_the_data_folder_itself(tmp_path):
    idx(tmp_path / "fashion-mnist")
    assert locate.find("fashion-mnist", tmp_path / "fashion-mnist") == str(
        tmp_path / "fashion-mnist"
    )
    with pytest.raises(DataError, match="mnist was not found"):
        locate.find("mnist", tmp_path / "fashion-mnist")
    idx(tmp_path / "MNIST/raw")
    assert locate.find("mnist", tmp_path / "MNIST/raw") == str(tmp_path / "MNIST/raw")


def test_a_folder_that_says_nothing_is_no_set(tmp_path):
    idx(tmp_path / "raw")
    with pytest.raises(DataError, match="mnist was not found"):
        locate.find("mnist", tmp_path)


def test_what_its_download_makes_comes_before_other_layouts(tmp_path):
    for case in (("cifar10", "cifar10.npz"), ("cifar10", "cifar-10-batches-bin")):
        LAYOUTS[case](tmp_path)
    assert locate.find("cifar10", tmp_path) == str(tmp_path / "cifar-10-batches-bin")
    LAYOUTS["cifar10", "cifar-10-batches-py"](tmp_path)
    assert locate.find("cifar10", tmp_path) == str(tmp_path / "cifar-10-batches-py")


def test_of_several_sizes_of_a_set_the_one_without_a_number_is_meant(tmp_path):
    for size in ("_128", "_64"):
        touch(tmp_path / f"pathmnist{size}.npz")
    with pytest.raises(DataError, match=r"pathmnist_128\.npz and pathmnist_64\.npz"):
        locate.find("pathmnist", tmp_path)
    plain = touch(tmp_path / "pathmnist.npz")
    assert locate.find("pathmnist", tmp_path) == str(plain)


def test_two_editions_of_a_set_are_told_apart_by_the_user(tmp_path):
    touch(tmp_path / "imagenette128-train.parquet")
    touch(tmp_path / "imagenette160-train.parquet")
    with pytest.raises(DataError, match=r"several editions.*imagenette128\*.parquet and imagenett"):
        locate.find("imagenette", tmp_path)


def test_the_error_says_what_was_looked_for_and_where_it_can_be_had(each, tmp_path_factory):
    for name in each(SETS):
        tmp_path = tmp_path_factory.mktemp("case")
        with pytest.raises(DataError) as raised:
            locate.find(name, tmp_path)
        text = str(raised.value)
        assert text.startswith(f"{name} was not found under {tmp_path}. Looked for ")
        assert "https://" in text or "http://" in text
        assert "Nothing is downloaded unasked" in text
        hub = KNOWN[name].hub
        assert ("pip install 'condensery[hub]'" in text) == (hub is not None)


def test_a_folder_without_all_of_the_set_is_named(tmp_path):
    touch(tmp_path / "cifar-10-batches-py" / "data_batch_1")
    with pytest.raises(DataError, match=r"There is cifar-10-batches-py/, but it does not hold it"):
        locate.find("cifar10", tmp_path)
    imagenet(tmp_path / "imagenet", IMAGENET_10[:9])
    with pytest.raises(DataError, match=r"There is imagenet/, but .*not all of it"):
        locate.find("imagenet-10", tmp_path)


def test_a_data_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent, which does not exist\. Give .*--data-dir"):
        locate.find("cifar10", tmp_path / "absent")
    with pytest.raises(DataError, match="which is no folder"):
        locate.find("cifar10", touch(tmp_path / "file"))


def test_a_name_that_nobody_knows_is_answered_with_the_nearest():
    with pytest.raises(
        DataError, match=r"'cifar-10'.*Did you mean 'cifar10'\?.*fashion-mini, mnist"
    ):
        locate.find("cifar-10", ".")


def test_a_folder_with_odd_characters_is_no_pattern(tmp_path):
    touch(tmp_path / "[ab]" / "cifar10-train.parquet")
    (found,) = Path("/").glob(locate.find("cifar10", tmp_path / "[ab]")[1:])
    assert found == tmp_path / "[ab]" / "cifar10-train.parquet"


def test_the_subsets_of_imagenet_have_their_classes_once():
    assert len(set(IMAGENET_100)) == len(IMAGENET_100) == 100
    assert IMAGENET_100[:10] == IMAGENET_10
    assert all(name[0] == "n" and len(name) == 9 for name in IMAGENET_100)
