"""The data sets in the package: the digits are scikit-learn's, the clothes are Fashion-MNIST's."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from condensery.data import load_data
from condensery.data.readers.embedded import read


def test_the_digits_are_scikit_learns():
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    source = read("digits")
    expected = [[round(v * 255 / 16) for v in row] for row in digits.data.tolist()]
    assert torch.equal(source.train.images.flatten(1), torch.tensor(expected, dtype=torch.uint8))
    assert source.train.labels.tolist() == digits.target.tolist()


def test_the_file_keeps_the_original_seventeen_levels():
    with (
        (files("condensery.data.readers") / "digits.npz").open("rb") as file,
        np.load(file) as stored,
    ):
        assert stored["images"].shape == (1797, 8, 8)
        assert set(np.unique(stored["images"]).tolist()) == set(range(17))


def test_digits_load_by_name_with_a_fifth_of_every_class_held_out():
    data = load_data("digits")
    assert data.name == data.train.name == data.test.name == "digits"
    assert data.train.class_names == tuple("0123456789")
    assert (data.train.channels, data.train.side) == (1, (8, 8))
    counts = data.train.counts() + data.test.counts()
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.test.counts().tolist() == [n // 5 for n in counts.tolist()]


def test_digits_are_the_same_in_every_run():
    data = load_data("digits")
    assert data.train.fingerprint == "289b2e4411e281d4158fd24f54173829"
    assert load_data("digits").test.fingerprint == data.test.fingerprint
    assert data.test.fingerprint != data.train.fingerprint


def test_fashion_mini_has_as_many_images_of_each_class_and_is_recognised_as_clothes():
    data = load_data("fashion-mini")
    assert data.name == data.train.name == data.test.name == "fashion-mini"
    assert data.train.counts().tolist() == [500] * 10
    assert data.test.counts().tolist() == [100] * 10
    assert data.train.class_names[9] == "Ankle boot"
    assert (data.train.mean, data.train.std) == ((0.2861,), (0.3530,))


def test_fashion_mini_is_the_first_images_of_each_class_of_fashion_mnist():
    folder = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package has it
    if not folder.is_dir():
        pytest.skip("Fashion-MNIST is not installed")
    whole, mini = load_data(folder, name="fashion-mnist"), load_data("fashion-mini")
    for split, part, count in ((whole.train, mini.train, 500), (whole.test, mini.test, 100)):
        rows = torch.cat([split.of_class(class_)[:count] for class_ in range(10)]).sort().values
        assert torch.equal(part.images, split.images[rows])
        assert torch.equal(part.labels, split.labels[rows])
