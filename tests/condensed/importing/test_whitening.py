"""Whitened images become pixels again, beside the formulas of the released codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from condensery.condensed.importing.whitening import unwhitening
from condensery.data import ImageData
from condensery.errors import DataError

IMAGES = torch.randint(256, (40, 3, 2, 3), generator=torch.Generator().manual_seed(0)).byte()


def data(images: torch.Tensor = IMAGES) -> ImageData:
    """Its mean and deviation are published constants: no whitening here uses them."""
    channels = images.shape[1]
    return ImageData(
        name="mine",
        images=images,
        labels=torch.arange(len(images)) % 2,
        class_names=("a", "b"),
        mean=(0.4,) * channels,
        std=(0.2,) * channels,
    )


def flat(images: torch.Tensor) -> np.ndarray:
    return images.numpy().reshape(len(images), -1) / 255


def as_images(rows: np.ndarray, images: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(rows).float().view(images.shape)


def of_mtt(images: torch.Tensor, *, eps: float = 0.1) -> torch.Tensor:
    """``(x - m) U (S + eps)^(-1/2) U'`` with singular values, as the released code has it."""
    x = flat(images)
    mean = x.mean(axis=0)
    left, values, _ = np.linalg.svd((x - mean).T @ (x - mean) / (len(x) - 1))
    return as_images((x - mean) @ (left * (values + eps) ** -0.5 @ left.T), images)


def standard(images: torch.Tensor) -> np.ndarray:
    x = images.double() / 255
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    return ((x - mean) / x.std(dim=(0, 2, 3), keepdim=True, unbiased=False)).flatten(1).numpy()


def units(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def matrix_of_kip(images: torch.Tensor) -> np.ndarray:
    x = units(standard(images))
    covariance = x.T @ x / len(x)
    ridge = 0.1 * np.trace(covariance) / len(covariance)
    left, values, _ = np.linalg.svd(covariance + ridge * np.eye(len(covariance)))
    return left * values**-0.5 @ left.T


def test_undoing_the_formula_of_mtt_gives_the_pixels_back():
    found = unwhitening(data(), kind="zca")
    torch.testing.assert_close(found.undo(of_mtt(IMAGES)), IMAGES / 255, atol=3e-6, rtol=0)
    assert found.zca == {"kind": "zca", "eps": 0.1, "fitted_to": data().fingerprint}
    assert (found.mean, found.std) == ((0.0,) * 3, (1.0,) * 3)


def test_it_is_fitted_to_the_data_and_not_to_what_is_undone():
    undo = unwhitening(data(), kind="zca").undo
    z = of_mtt(IMAGES)[:5] + 0.25
    assert not torch.allclose(undo(z), IMAGES[:5] / 255, atol=1e-3)
    torch.testing.assert_close(undo(z[2:3])[0], undo(z)[2])
    mean = (IMAGES / 255).mean(dim=0)
    torch.testing.assert_close(undo(torch.zeros(1, 3, 2, 3))[0], mean)


def test_fewer_images_than_entries_still_have_an_inverse():
    few = IMAGES[:4]
    undo = unwhitening(data(few), kind="zca").undo
    torch.testing.assert_close(undo(of_mtt(few)), few / 255, atol=3e-6, rtol=0)


def test_an_image_of_kip_gets_its_own_pixels_with_the_average_contrast():
    whitening = unwhitening(data(), kind="zca-regularised")
    rows = standard(IMAGES)
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1).mean()
    pixels = IMAGES.double() / 255
    mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
    std = pixels.std(dim=(0, 2, 3), keepdim=True, unbiased=False)
    expected = as_images(units(rows) * length, IMAGES) * std + mean
    found = whitening.undo(as_images(units(rows) @ matrix_of_kip(IMAGES), IMAGES))
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=0)
    assert whitening.zca["kind"] == "zca-regularised"
    assert whitening.mean == pytest.approx(tuple(mean.flatten().tolist()))
    assert whitening.std == pytest.approx(tuple(std.flatten().tolist()))


def test_whitened_again_an_image_of_kip_is_what_it_was():
    undo = unwhitening(data(), kind="zca-regularised").undo
    z = units(standard(IMAGES)) @ matrix_of_kip(IMAGES)
    pixels = IMAGES.double() / 255
    mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
    std = pixels.std(dim=(0, 2, 3), keepdim=True, unbiased=False)
    back = ((undo(as_images(z, IMAGES)).double() - mean) / std).flatten(1).numpy()
    np.testing.assert_allclose(units(back) @ matrix_of_kip(IMAGES), z, atol=1e-5)


@pytest.mark.parametrize("kind", ["zca", "zca-regularised"])
def test_large_images_are_refused_at_once_with_what_to_import(kind):
    with pytest.raises(DataError, match=r"images_zca_\*\.pt"):
        unwhitening(data(torch.zeros(2, 1, 1, 4097, dtype=torch.uint8)), kind=kind)
