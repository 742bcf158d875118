"""Whitenings are checked against their definition, written out on all images at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from condensery.data import ImageData, whitened, whitening
from condensery.errors import ConfigError, DataError
from condensery.rng import stream

KINDS = ("zca", "zca-regularised")


def made(count: int = 40, *, seed: int = 0, **changes: object) -> ImageData:
    """Colour images whose neighbouring pixels are alike."""
    rng = stream(seed, "test")
    noise = torch.rand(count, 3, 5, 6, generator=rng)
    smooth = (noise + noise.roll(1, dims=2) + noise.roll(1, dims=3)) / 3
    fields: dict[str, object] = {
        "name": "made",
        "images": (smooth * 255).to(torch.uint8),
        "labels": torch.arange(count) % 2,
        "class_names": ("a", "b"),
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.3, 0.4),
    }
    return ImageData(**{**fields, **changes})  # type: ignore[arg-type]


def all_pixels(data: ImageData) -> Tensor:
    return data.images.double() / 255


def expected(data: ImageData, kind: str, images: Tensor) -> Tensor:
    """The two definitions, with a singular value decomposition."""
    mean = torch.tensor(data.mean, dtype=torch.float64)[:, None, None]
    std = torch.tensor(data.std, dtype=torch.float64)[:, None, None]

    def own(x: Tensor) -> Tensor:
        x = ((x - mean) / std).flatten(1)
        x = x - x.mean(dim=1, keepdim=True)
        return x / x.norm(dim=1, keepdim=True)

    if kind == "zca":
        train = all_pixels(data).flatten(1)
        u, s, _ = torch.linalg.svd(train.T.cov())
        flat = images.flatten(1) - train.mean(dim=0)
        ridge = 0.1
    else:
        train = own(all_pixels(data))
        second = train.T @ train / len(train)
        u, s, _ = torch.linalg.svd(second)
        flat = own(images)
        ridge = 0.1 * second.trace() / len(second)
    return (flat @ u @ torch.diag((s + ridge) ** -0.5) @ u.T).view_as(images)


def test_a_whitening_is_its_definition(each):
    for count, kind in each(product([40, 1500], KINDS)):
        data = made(count)
        other = torch.rand(7, 3, 5, 6, generator=stream(1), dtype=torch.float64)
        found = whitened(data, kind).normalise(other)
        torch.testing.assert_close(found, expected(data, kind, other), rtol=1e-9, atol=1e-9)


def test_columns_come_in_panels_without_a_seam(monkeypatch: pytest.MonkeyPatch):
    data = made(name="panels")
    whole = whitening._fit(data, "zca-regularised")
    monkeypatch.setattr(whitening, "_PANEL", 37)
    cut = whitening._fit(data, "zca-regularised")
    torch.testing.assert_close(cut.matrix, whole.matrix)


def test_the_sums_of_a_block_are_exact_in_float32():
    extreme = torch.tensor([0, 255], dtype=torch.uint8).repeat(512)[:, None, None, None]
    rows = whitening._integers(extreme.expand(-1, 1, 2, 2))
    exact = rows.double().T @ rows.double()
    assert len(rows) == whitening._BLOCK
    assert torch.equal((rows.T @ rows).double(), exact)


def test_whitened_pixels_are_nearly_uncorrelated():
    data = made(1500)
    correlation = torch.corrcoef(
        whitened(data, "zca-regularised").normalise(all_pixels(data)).flatten(1).T
    )
    before = torch.corrcoef(all_pixels(data).flatten(1).T)
    off = ~torch.eye(len(before), dtype=torch.bool)
    assert correlation[off].abs().max() < before[off].abs().max() / 3


def test_dtype_and_graph_are_kept(each):
    for dtype, kind in each(product([torch.float32, torch.float64], KINDS)):
        data = whitened(made(), kind)
        images = data.pixels(torch.arange(3)).to(dtype).requires_grad_()
        shown = data.normalise(images)
        assert shown.dtype == dtype
        (gradient,) = torch.autograd.grad(shown.square().sum(), images)
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_differences(kind: str):
    data = whitened(made(images=made().images[:, :, :2, :2].contiguous()), kind)
    images = torch.rand(2, 3, 2, 2, generator=stream(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(data.normalise, images)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_one_colour_is_finite(kind: str):
    data = replace(made(), mean=(0.5,) * 3, std=(0.2,) * 3)
    images = torch.full((1, 3, 5, 6), 0.25, dtype=torch.float64, requires_grad=True)
    shown = whitened(data, kind).normalise(images)
    (gradient,) = torch.autograd.grad(shown.sum(), images)
    assert bool(shown.isfinite().all() & gradient.isfinite().all())


@pytest.mark.parametrize("kind", KINDS)
def test_test_images_are_whitened_as_the_training_images_are(kind: str):
    train, test = made(), made(9, seed=5)
    images = torch.rand(2, 3, 5, 6, generator=stream(1))
    ours = whitened(test, kind, fitted_on=train)
    assert torch.equal(ours.normalise(images), whitened(train, kind).normalise(images))
    assert torch.equal(ours.images, test.images)
    assert ours.whitening is not None
    assert ours.whitening.to_json() == {"kind": kind, "eps": 0.1, "fitted_to": train.fingerprint}


def test_zca_standardises_nothing_and_the_regularised_one_does():
    assert whitened(made(), "zca").mean == (0.0, 0.0, 0.0)
    assert whitened(made(), "zca").std == (1.0, 1.0, 1.0)
    assert whitened(made(), "zca-regularised").mean == made().mean


def test_a_whitening_is_fitted_once_for_the_same_pixels(monkeypatch: pytest.MonkeyPatch):
    first = whitened(made(17), "zca").whitening
    monkeypatch.setattr(whitening, "_fit", None)  # calling it would fail
    assert whitened(made(17, name="other"), "zca").whitening is first


def test_only_the_last_whitenings_are_remembered():
    for count in (11, 12, 13):
        whitened(made(count), "zca")
    assert len(whitening._known) == 2


def test_whitening_can_be_taken_off():
    data = made(std=(1.0, 1.0, 1.0))
    off = whitened(whitened(data, "zca-regularised"), "none")
    images = torch.rand(2, 3, 5, 6, generator=stream(1))
    assert torch.equal(off.normalise(images), data.normalise(images))


def test_whitening_a_whitened_set_fits_to_its_pixels():
    data = made(21)
    again = whitened(whitened(data, "zca-regularised"), "zca-regularised")
    images = torch.rand(2, 3, 5, 6, generator=stream(1))
    once = whitened(data, "zca-regularised")
    assert torch.equal(again.normalise(images), once.normalise(images))


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"zca-regularized.*mean 'zca-regularised'"):
        whitened(made(), "zca-regularized")


def test_what_cannot_be_whitened_is_refused():
    large = replace(made(2), images=torch.zeros(2, 3, 38, 38, dtype=torch.uint8))
    with pytest.raises(DataError, match="2 images of 4332 pixel values"):
        whitened(large, "zca")
    with pytest.raises(DataError, match="1 images of 90 pixel values"):
        whitened(made(1), "zca")
