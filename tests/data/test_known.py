"""Known data sets are recognised by the spellings people use, and by nothing else."""

from __future__ import annotations

from condensery.data.known import KNOWN, known_by_name, known_by_path, may_be_mirrored


def test_a_path_tells_a_known_set(each):
    for path, classes, channels, name in each(
        [
            ("data/mnist", 10, 1, "mnist"),
            ("/data/MNIST/raw", 10, 1, "mnist"),
            ("/usr/share/datasets/fashion-mnist", 10, 1, "fashion-mnist"),
            ("FashionMNIST", 10, 1, "fashion-mnist"),
            ("mnist-variants/fashion_mnist", 10, 1, "fashion-mnist"),
            ("cifar10-lossless-*.parquet", 10, 3, "cifar10"),
            ("CIFAR-10", 10, 3, "cifar10"),
            ("cifar10/cifar100-part.parquet", 100, 3, "cifar100"),
            ("svhn_cropped", 10, 3, "svhn"),
            ("imagenette128-10x200-train.parquet", 10, 3, "imagenette"),
            ("imagenet-10/train", 10, 3, "imagenet-10"),
            ("imagenet100", 100, 3, "imagenet-100"),
            ("cifar100", 10, 3, None),
            ("cifar10", 10, 1, None),
            ("kmnist", 10, 1, "kmnist"),
            ("EMNIST/raw/emnist-letters", 26, 1, "emnist-letters"),
            ("EMNIST/raw/emnist-mnist", 10, 1, "emnist-mnist"),
            (".medmnist/pathmnist_64.npz", 9, 3, "pathmnist"),
            ("tiny-imagenet-200", 200, 3, "tiny-imagenet"),
            ("oxford-iiit-pet", 37, 3, "oxford-pets"),
            ("pets", 10, 3, None),
            ("emnist", 10, 1, None),
            ("cifar1000", 10, 3, None),
            ("photos", 10, 3, None),
        ]
    ):
        known = known_by_path(path, classes=classes, channels=channels)
        assert (known and known.name) == name


def test_a_name_must_be_known_as_a_whole():
    found = known_by_name("CIFAR-10", classes=10, channels=3)
    assert found is not None
    assert found.name == "cifar10"
    assert known_by_name("my-cifar10", classes=10, channels=3) is None
    assert known_by_name("cifar10", classes=9, channels=3) is None


def test_published_constants_and_the_shared_ones_of_cifar_100():
    ten = known_by_path("cifar10", classes=10, channels=3)
    hundred = known_by_path("cifar100", classes=100, channels=3)
    fashion = known_by_path("fashion-mnist", classes=10, channels=1)
    assert ten is not None
    assert hundred is not None
    assert fashion is not None
    assert ten.statistics == hundred.statistics
    assert ten.statistics.mean == (0.4914, 0.4822, 0.4465)
    assert ten.statistics.std == (0.2023, 0.1994, 0.2010)
    assert (fashion.statistics.mean, fashion.statistics.std) == ((0.2861,), (0.3530,))


def test_letters_are_told_apart_by_case_where_their_set_does():
    table = KNOWN["emnist-byclass"].table
    assert (table.find("A"), table.find("a")) == (10, 36)
    assert KNOWN["emnist-letters"].table.find("A") == 0


def test_images_whose_mirror_image_means_something_else_are_not_mirrored(each):
    names = ("digits", "mnist", "emnist-letters", "KMNIST", "gtsrb", "organamnist", "svhn")
    for name in each(names):
        assert not may_be_mirrored(name)
    for name in ("fashion-mnist", "cifar10", "pathmnist", "photos"):
        assert may_be_mirrored(name)
