"""In which space a file's numbers are is known, said or asked; never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from condensery.condensed.importing.formats import ImportChoices, SetLocation
from condensery.condensed.importing.spaces import space_of, strayed
from condensery.errors import ConfigError, DataError

NORMALISED = torch.tensor([-1.0, 0.5, 2.0])

CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR100_OF_DC = ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762))


def space(data, method, images=NORMALISED, *, file="f.pt", mean=None, std=None, zca=None):
    images = images if images.ndim == 4 else images.view(-1, 1, 1, 1).expand(-1, 3, 4, 6)
    where = SetLocation(
        format=method, file=Path(file), choices=ImportChoices(mean=mean, std=std, zca=zca)
    )
    return space_of(images[:, : data.train.channels].clone(), where, data.train)


def undone_by(space, *, channels: int = 3) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and deviation that a space adds, found by probing it."""
    zeros, ones = (space.undo(torch.full((1, channels, 1, 1), x)).flatten() for x in (0.0, 1.0))
    return tuple(zeros.tolist()), tuple((ones - zeros).tolist())


def near(expected):
    return tuple(pytest.approx(values, abs=1e-6) for values in expected)


def test_cifar10_is_undone_by_its_constants(each, cifar10):
    for method in each(["dc", "dsa", "dm", "mtt"]):
        found = space(cifar10, method, zca=False if method == "mtt" else None)
        assert undone_by(found) == near(CIFAR)
        assert found.record["kind"] == "normalised"
        assert found.record["source"] == f"constants of {method} for cifar10"


def test_cifar100_has_other_constants_in_dc_than_in_mtt(each, dataset):
    for method, expected in each(
        [("dc", CIFAR100_OF_DC), ("dsa", CIFAR100_OF_DC), ("dm", CIFAR100_OF_DC), ("mtt", CIFAR)]
    ):
        data = dataset(classes=100, name="cifar100")
        found = space(data, method, zca=False if method == "mtt" else None)
        assert undone_by(found) == near(expected)
        assert (tuple(found.record["mean"]), tuple(found.record["std"])) == expected


def test_a_data_set_without_constants_is_refused_with_what_to_pass(mine):
    with pytest.raises(DataError, match=r"from -1 to 2.*called 'mine'.*--mean .* --std .*--name"):
        space(mine, "dc")


def test_the_name_alone_is_not_enough(dataset):
    data = dataset(classes=3, name="cifar10")  # ten classes of CIFAR-10 are another data set
    with pytest.raises(DataError, match="no constants"):
        space(data, "dc")


def test_a_known_data_set_that_a_code_never_had_is_refused(dataset):
    data = dataset(name="imagenet-10")
    with pytest.raises(DataError, match="no constants"):
        space(data, "dm")


def test_pixels_where_normalised_images_are_stored_must_be_said(each, cifar10):
    for method in each(["dc", "dsa", "dm", "mtt", "kip"]):
        images = torch.rand(4, 3, 4, 6)
        with pytest.raises(DataError, match=r"within \[0, 1\] already.*--mean 0 --std 1"):
            space(cifar10, method, images)
        found = space(cifar10, method, images, mean=[0], std=[1])
        assert torch.equal(found.undo(images), images)


def test_what_the_user_says_goes_first(cifar10):
    found = space(cifar10, "dc", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert undone_by(found) == near(((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)))
    assert found.record["source"] == "given"


def test_a_mean_and_a_deviation_must_fit(each, cifar10):
    for mean, std, message in each(
        [
            ([0.5], None, "without the other"),
            (None, [0.5], "without the other"),
            ([0.5, 0.5], [1], "3 channel"),
            ([0.5], [1, 1, 1, 1], "3 channel"),
            ([float("nan")], [1], "finite"),
            ([0.5], [0], "above 0"),
            ([0.5], [1, -1, 1], "above 0"),
            ([], [], "3 channel"),
        ]
    ):
        with pytest.raises(ConfigError, match=message):
            space(cifar10, "dc", mean=mean, std=std)


def test_a_set_is_normalised_or_whitened_not_both(cifar10):
    with pytest.raises(ConfigError, match="Give either"):
        space(cifar10, "mtt", mean=[0], std=[1], zca=True)


def test_mtt_must_be_told_whether_it_is_whitened(cifar10):
    with pytest.raises(DataError, match=r"--zca.*--no-zca"):
        space(cifar10, "mtt")


def test_what_mtt_has_undone_itself_is_recognised_by_its_name(cifar10):
    with pytest.raises(DataError, match="--mean 0 --std 1"):
        space(cifar10, "mtt", file="images_zca_5000.pt")


def test_a_whitened_set_of_mtt_is_undone_with_its_data(cifar10):
    found = space(cifar10, "mtt", zca=True)
    assert found.record == {"kind": "zca", "eps": 0.1, "fitted_to": cifar10.train.fingerprint}
    zeros = found.undo(torch.zeros(1, 3, 4, 6))
    mean = cifar10.train.images.float().mean(dim=0, keepdim=True) / 255
    torch.testing.assert_close(zeros, mean)


@pytest.mark.parametrize(("file", "zca"), [("x_zca_nol.npz", None), ("x.npz", True)])
def test_a_whitened_set_of_kip_loses_the_contrast_of_its_images(cifar10, file, zca):
    found = space(cifar10, "kip", file=file, zca=zca)
    assert found.record["kind"] == "zca-regularised"
    assert "average" in found.record["contrast"]


def test_kip_standardises_by_what_the_training_images_measure(each, cifar10):
    for file, zca in each([("x_nozca_nol.npz", None), ("x.npz", False), ("x_zca_nol.npz", False)]):
        found = space(cifar10, "kip", file=file, zca=zca)
        train = cifar10.train.images.double() / 255
        expected = (
            tuple(train.mean(dim=(0, 2, 3)).tolist()),
            tuple(train.std(dim=(0, 2, 3), unbiased=False).tolist()),
        )
        assert undone_by(found) == near(expected)


def test_kip_must_be_told_where_its_name_does_not_say(cifar10):
    with pytest.raises(DataError, match="--no-zca"):
        space(cifar10, "kip", file="images.npy")


def test_pixels_may_stray_a_little(each, cifar10):
    for method in each(["idc", "dream", "mdc"]):
        images = torch.rand(4, 3, 4, 6)
        images[0, 0, 0] = torch.tensor([-0.4, 1.4, 0, 1, 0.5, 0.5])
        found = space(cifar10, method, images)
        assert torch.equal(found.undo(images), images)
        assert found.record == {"kind": "none"}


@pytest.mark.parametrize("images", [NORMALISED, torch.tensor([-0.5, 0.5, 1.2])])
def test_pixels_that_stray_far_or_often_are_refused(cifar10, images):
    with pytest.raises(DataError, match=r"stray little.*--mean"):
        space(cifar10, "idc", images)
    given = images.view(-1, 1, 1, 1).expand(-1, 3, 1, 1)
    assert torch.equal(space(cifar10, "idc", images, mean=[0], std=[1]).undo(given), given)


def test_bytes_are_divided():
    given = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    found = space_of(given, SetLocation(format="folder", file=Path("f")), None)
    torch.testing.assert_close(found.undo(given).flatten(), torch.tensor([0.0, 0.2, 1.0]))


def test_straying_is_counted_but_not_the_noise_of_single_precision():
    images = torch.tensor([0.0, 1.0, -1e-7, 1 + 2e-7, -0.25, 1.5, 0.5, 0.5])
    assert strayed(images) == (0.25, 0.5)
    assert strayed(images[:4]) == (0.0, 0.0)
