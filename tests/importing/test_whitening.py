"""The whitening of MTT, beside the formula written out, and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from condensery.errors import DataError
from condensery.importing.whitening import EPS, LARGEST, whitening

IMAGES = torch.randint(256, (40, 3, 2, 3), generator=torch.Generator().manual_seed(0)).byte()


def whitened(images: torch.Tensor, *, eps: float) -> torch.Tensor:
    """``(x - m) U (S + eps)^(-1/2) U'`` with singular values, as the released code has it."""
    flat = images.numpy().reshape(len(images), -1) / 255
    mean = flat.mean(axis=0)
    left, values, _ = np.linalg.svd((flat - mean).T @ (flat - mean) / (len(flat) - 1))
    z = (flat - mean) @ (left @ np.diag((values + eps) ** -0.5) @ left.T)
    return torch.from_numpy(z).float().view(images.shape)


@pytest.mark.parametrize("eps", [EPS, 1e-3])
def test_undoing_the_formula_gives_the_pixels_back(eps):
    back = whitening(IMAGES, eps=eps).undo(whitened(IMAGES, eps=eps))
    torch.testing.assert_close(back, IMAGES / 255, atol=2e-6, rtol=0)


def test_it_is_fitted_to_the_data_and_not_to_what_is_undone():
    z = whitened(IMAGES, eps=EPS)[:5] + 0.25
    back = whitening(IMAGES).undo(z)
    assert not torch.allclose(back, IMAGES[:5] / 255, atol=1e-3)
    torch.testing.assert_close(whitening(IMAGES).undo(z[2:3])[0], back[2])


def test_an_image_of_zeros_is_the_mean_image():
    mean = whitening(IMAGES).undo(torch.zeros(1, 3, 2, 3))[0]
    torch.testing.assert_close(mean, (IMAGES / 255).mean(dim=0))


def test_blocks_change_nothing(monkeypatch):
    whole = whitening(IMAGES)
    monkeypatch.setattr("condensery.importing.whitening._BLOCK", 7)
    parts = whitening(IMAGES)
    torch.testing.assert_close(parts.values, whole.values)
    torch.testing.assert_close(parts.mean, whole.mean)


def test_fewer_images_than_entries_still_have_an_inverse():
    few = IMAGES[:4]
    back = whitening(few).undo(whitened(few, eps=EPS))
    torch.testing.assert_close(back, few / 255, atol=2e-6, rtol=0)


def test_large_images_are_refused_at_once_with_what_to_import():
    large = torch.zeros(2, 1, 1, LARGEST + 1, dtype=torch.uint8)
    with pytest.raises(DataError, match=r"images_zca_\*\.pt"):
        whitening(large)
