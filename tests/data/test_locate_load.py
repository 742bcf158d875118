"""Data sets asked for by name: read in their true formats, and downloaded only on request."""

from __future__ import annotations

import json
import os
import struct
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from condensery.data import load_data
from condensery.data.imagenet import IMAGENET_10
from condensery.data.known import KNOWN
from condensery.errors import DataError

DRAW = np.random.default_rng(0)
CIFAR10 = KNOWN["cifar10"].class_names
LABELS = np.arange(20, dtype=np.uint8) % 10


def pixels(*shape: int) -> np.ndarray:
    return DRAW.integers(0, 256, shape, dtype=np.uint8)


def cifar(folder: Path) -> np.ndarray:
    folder.mkdir(parents=True)
    images = pixels(20, 3072)
    records = np.concatenate([LABELS[:, None], images], axis=1)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10))
    return images.reshape(20, 3, 32, 32)


def idx(folder: Path) -> np.ndarray:
    folder.mkdir(parents=True)
    images = pixels(20, 28, 28)
    for split in ("train", "t10k"):
        content = b"\0\0\x08\x03" + struct.pack(">III", *images.shape) + images.tobytes()
        (folder / f"{split}-images-idx3-ubyte").write_bytes(content)
        content = b"\0\0\x08\x01" + struct.pack(">I", 20) + LABELS.tobytes()
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(content)
    return images[:, None]


def pictures(folder: Path, classes: tuple[str, ...], *, side: tuple[int, int] = (40, 30)) -> None:
    for split in ("train", "val"):
        for name in classes:
            (folder / split / name).mkdir(parents=True)
            for i in range(2):
                image = Image.fromarray(pixels(*side, 3))
                image.save(folder / split / name / f"{name}_{i}.JPEG")


def test_cifar10_by_name(tmp_path):
    images = cifar(tmp_path / "cifar-10-batches-bin")
    data = load_data("cifar10", data_dir=tmp_path)
    assert data.name == "cifar10"
    assert len(data.train) == 100
    np.testing.assert_array_equal(data.test.images.numpy(), images)
    assert data.train.mean == (0.4914, 0.4822, 0.4465)


@pytest.mark.parametrize(
    ("name", "place", "mean"),
    [("mnist", "MNIST/raw", 0.1307), ("fashion-mnist", "FashionMNIST/raw", 0.2861)],
)
def test_idx_files_by_name_have_the_constants_of_their_set(tmp_path, name, place, mean):
    images = idx(tmp_path / place)
    data = load_data(name, data_dir=tmp_path)
    assert (data.name, data.train.mean) == (name, (mean,))
    np.testing.assert_array_equal(data.train.images.numpy(), images)


def test_svhn_by_name(tmp_path):
    io = pytest.importorskip("scipy.io")
    for split in ("train", "test"):
        held = {"X": pixels(32, 32, 3, 20), "y": (LABELS + 1)[:, None]}
        io.savemat(tmp_path / f"{split}_32x32.mat", held)
    data = load_data("svhn", data_dir=tmp_path)
    assert (data.name, len(data.test)) == ("svhn", 20)


def parquet(path: Path, *, names: list[str], image: str = "img", label: str = "label") -> None:
    """A file in the layout of the hub."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from io import BytesIO

    encoded = []
    for _ in names:
        Image.fromarray(pixels(32, 32, 3)).save(file := BytesIO(), "PNG")
        encoded.append({"bytes": file.getvalue(), "path": None})
    kinds = {"_type": "ClassLabel", "names": names}
    features = {image: {"_type": "Image"}, label: kinds}
    table = pa.table({image: encoded, label: list(range(len(names)))})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_parquet_of_the_hub_by_name(tmp_path):
    for split in ("train", "test"):
        parquet(tmp_path / f"cifar10/plain_text/{split}-0-of-1.parquet", names=[*CIFAR10])
    data = load_data("cifar10", data_dir=tmp_path)
    assert (data.name, data.train.class_names[0], len(data.test)) == ("cifar10", "airplane", 10)


def test_the_easier_images_of_svhn_are_left_alone(tmp_path):
    for split in ("train", "test", "extra"):
        parquet(tmp_path / f"svhn/cropped_digits/{split}-0.parquet", names=[*"0123456789"])
    data = load_data("svhn", data_dir=tmp_path)
    assert (len(data.train), len(data.test)) == (10, 10)


def test_imagenet_10_is_cut_out_of_a_whole_imagenet_in_its_own_order(tmp_path):
    pictures(tmp_path / "imagenet", (*IMAGENET_10, "n00000001"))
    data = load_data("imagenet-10", data_dir=tmp_path, image_size=16)
    assert data.train.class_names == IMAGENET_10
    assert (data.name, len(data.train), len(data.test)) == ("imagenet-10", 20, 20)
    assert data.train.mean == (0.485, 0.456, 0.406)
    first = load_data(
        tmp_path / "imagenet", image_size=16, classes=[IMAGENET_10[1], IMAGENET_10[0]]
    ).train
    torch.testing.assert_close(first.images[:2], data.train.images[2:4], rtol=0, atol=0)


def test_a_named_set_of_photos_has_the_side_of_its_papers(tmp_path):
    pictures(tmp_path / "imagenette2-160", KNOWN["imagenette"].class_names)
    assert load_data("imagenette", data_dir=tmp_path).train.side == (128, 128)
    assert load_data("imagenette", data_dir=tmp_path, image_size=20).train.side == (20, 20)


def test_an_archive_that_is_not_unpacked_is_found_by_name_and_opened(tmp_path):
    images = cifar(tmp_path / "made" / "cifar-10-batches-bin")
    (tmp_path / "data").mkdir()
    with tarfile.open(tmp_path / "data" / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made" / "cifar-10-batches-bin", "cifar-10-batches-bin")
    data = load_data("cifar10", data_dir=tmp_path / "data")
    assert (data.name, data.train.class_names) == ("cifar10", CIFAR10)
    np.testing.assert_array_equal(data.test.images.numpy(), images)


def test_a_name_is_a_name_and_a_path_is_a_path(tmp_path, monkeypatch):
    cifar(tmp_path / "data" / "cifar-10-batches-bin")
    idx(tmp_path / "cifar10" / "raw")
    monkeypatch.chdir(tmp_path)
    assert load_data("cifar10", data_dir="data").train.channels == 3
    assert load_data("./cifar10").train.channels == 1
    with pytest.raises(DataError, match="cifar10, but it holds 10 classes of 1-channel images"):
        load_data("cifar10")


def test_a_test_split_may_be_asked_for_by_name_too(tmp_path):
    images = cifar(tmp_path / "cifar-10-batches-bin")
    train = (pixels(10, 32, 32, 3), np.arange(10))
    data = load_data(train, test="cifar10", data_dir=tmp_path, name="cifar10")
    np.testing.assert_array_equal(data.test.images.numpy(), images)


def test_classes_are_chosen_by_name_of_any_source_that_has_names(tmp_path):
    pictures(tmp_path / "set", ("a", "b", "c"), side=(8, 8))
    data = load_data(tmp_path / "set", classes=["c", "a"])
    assert data.train.class_names == ("c", "a")
    with pytest.raises(DataError, match=r"the classes are a, b, c, and 'd'"):
        load_data(tmp_path / "set", classes=["a", "d"])
    with pytest.raises(DataError, match="two classes or more, each once"):
        load_data(tmp_path / "set", classes=["a", "a"])
    whole = torch.from_numpy(cifar(tmp_path / "cifar-10-batches-bin"))
    data = load_data("cifar10", data_dir=tmp_path, classes=["Dog", "plane"])
    assert data.name == "cifar10-2-classes"
    assert data.train.class_names == ("Dog", "plane")
    assert torch.equal(data.train.images[data.train.of_class(1)[0]], whole[0])
    assert (len(data.train), len(data.test)) == (20, 4)
    with pytest.raises(DataError, match=r"airplane.*'kite', which was asked for, is none"):
        load_data("cifar10", data_dir=tmp_path, classes=["dog", "kite"])


class Split:
    """Enough of a split of the package ``datasets``."""

    def to_parquet(self, path: str) -> None:
        parquet(Path(path), names=[*CIFAR10])


def test_nothing_is_downloaded_unasked_and_once_if_asked(tmp_path, monkeypatch):
    asked: list[tuple[str, str]] = []

    def load_dataset(*what: str) -> dict[str, Split]:
        asked.append(what)  # type: ignore[arg-type]
        return {"train": Split(), "test": Split()}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match="--download"):
        load_data("cifar10", data_dir=tmp_path / "data")
    assert asked == []
    for _ in range(2):
        data = load_data("cifar10", data_dir=tmp_path / "data", download=True)
        assert (data.name, len(data.train), len(data.test)) == ("cifar10", 10, 10)
    assert asked == [("uoft-cs/cifar10", "plain_text")]
    assert os.listdir(tmp_path / "data") == ["cifar10"]


def test_a_download_that_breaks_leaves_nothing_behind(tmp_path, monkeypatch):
    def load_dataset(*_: str) -> dict[str, Split]:
        return {"train": Split()}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match=r"could not be downloaded.*KeyError.*or fetch it from"):
        load_data("cifar10", data_dir=tmp_path, download=True)
    assert os.listdir(tmp_path) == []


def test_a_download_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'condensery\[hub\]'"):
        load_data("mnist", data_dir=tmp_path, download=True)


def test_what_is_not_on_the_hub_is_fetched_by_hand(tmp_path):
    with pytest.raises(DataError, match=r"cannot be downloaded.*https://image-net.org"):
        load_data("imagenet-10", data_dir=tmp_path, download=True)


def test_what_the_package_datasets_writes_is_read(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=[*CIFAR10])}
    )
    images = pixels(10, 32, 32, 3)
    split = datasets.Dataset.from_dict(
        {"img": [Image.fromarray(image) for image in images], "label": list(range(10))},
        features=features,
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: {"train": split, "test": split})
    data = load_data("cifar10", data_dir=tmp_path, download=True)
    assert data.train.class_names == CIFAR10
    np.testing.assert_array_equal(data.train.images.numpy(), images.transpose(0, 3, 1, 2))
