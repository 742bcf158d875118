"""Random resized crop, jitter and lighting, against the loops of their definitions."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from torch.nn import functional

from condensery.augment import PhotoPerExample
from condensery.augment.photo import boxes, jitter_weights, lighting, resized_crop
from condensery.errors import ConfigError
from condensery.rng import stream

GREY = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]
DARK = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def pixels(count: int = 5, side: tuple[int, int] = (12, 12)) -> torch.Tensor:
    return torch.rand(count, 3, *side, dtype=torch.float64, generator=stream(0, "pixels"))


def test_a_window_is_enlarged_as_if_it_were_the_image():
    images = pixels(3, side=(9, 12))
    windows = [(0, 0, 9, 12), (2, 3, 6, 7), (1, 8, 8, 4)]
    top, left, height, width = (torch.tensor(part) for part in zip(*windows, strict=True))
    shown = resized_crop(images, top, left, height, width)
    for image, (y, x, h, w), result in zip(images, windows, shown, strict=True):
        cut = image[None, :, y : y + h, x : x + w]
        expected = functional.interpolate(cut, size=(9, 12), mode="bilinear", align_corners=False)
        torch.testing.assert_close(result, expected[0])


def test_windows_lie_in_the_image_and_have_half_its_area(each):
    for side in each([(128, 128), (96, 128), (40, 160), (160, 40)]):
        height, width = side
        tries = torch.rand(2000, 10, 4, dtype=torch.float64, generator=stream(1, "tries"))
        top, left, tall, wide = boxes(tries, side=side)
        assert int(top.min()) >= 0
        assert int(left.min()) >= 0
        assert bool((top + tall <= height).all())
        assert bool((left + wide <= width).all())
        ratio = wide / tall
        assert 0.73 < float(ratio.min()) <= float(ratio.max()) < 1.37
        if side == (128, 128):
            share = (tall * wide).double() / (height * width)
            assert 0.49 < float(share.min()) < 0.51
            assert float(share.max()) > 0.95
            assert float(top.double().mean()) == pytest.approx(float(left.double().mean()), abs=1)


def test_the_first_window_that_fits_is_taken():
    huge, small = [1.0, 1.0, 0.5, 0.5], [0.0, 0.5, 0.0, 0.999]
    tries = torch.tensor([[huge, small, [0.0, 0.5, 0.5, 0.5]]], dtype=torch.float64)
    side = round(math.sqrt(0.5) * 100)
    found = [int(part) for part in boxes(tries, side=(100, 100))]
    assert found == [0, 100 - side, side, side]


def test_where_no_window_fits_all_of_the_image_is_shown():
    tries = torch.tensor([[[0.99, 0.99, 0.5, 0.5]] * 10], dtype=torch.float64)
    assert [int(part) for part in boxes(tries, side=(50, 50))] == [0, 0, 50, 50]
    assert [int(part) for part in boxes(tries, side=(30, 90))] == [0, 25, 30, 40]


def step(image: torch.Tensor, kind: int, share: float) -> torch.Tensor:
    grey = (image * GREY).sum(dim=0, keepdim=True).expand_as(image)
    end = (torch.zeros_like(image), torch.full_like(image, float(grey.mean())), grey)[kind]
    return image.lerp(end, share)


def test_jitter_is_brightness_contrast_and_saturation_in_every_order():
    images = pixels(6)
    shares = torch.rand(6, 3, dtype=torch.float64, generator=stream(2, "shares")) * 0.8 - 0.4
    weights = jitter_weights(shares, order=torch.arange(6))
    for image, share, order, (own, grey, level) in zip(
        images, shares, permutations(range(3)), weights, strict=True
    ):
        expected = image
        for kind in order:
            expected = step(expected, kind, float(share[kind]))
        shade = (image * GREY).sum(dim=0, keepdim=True)
        torch.testing.assert_close(own * image + grey * shade + level * shade.mean(), expected)


def test_the_same_pixels_come_out_whatever_they_were_normalised_with():
    images = pixels(4).float()
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)))
    plain = PhotoPerExample(**DARK).draw(rng=stream(3))(images)
    choice = PhotoPerExample(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
    shown = choice.draw(rng=stream(3))((images - mean) / std)
    torch.testing.assert_close(shown * std + mean, plain, rtol=1e-4, atol=1e-5)


def test_a_grey_wall_keeps_one_colour_and_shows_brightness_and_light():
    wall = torch.full((400, 3, 8, 8), 0.5)
    shown = PhotoPerExample(**DARK).draw(rng=stream(4))(wall)
    assert float(shown.std(dim=(2, 3)).max()) < 1e-6
    level = shown.mean(dim=(1, 2, 3))
    assert 0.25 < float(level.min()) < 0.33
    assert 0.67 < float(level.max()) < 0.75
    light = shown[:, :, 0, 0] - level[:, None]
    assert 0.001 < float(light.std()) < 0.01


def test_lighting_moves_colours_along_the_principal_directions():
    one = lighting(torch.tensor([[0.1, 0.0, 0.0]], dtype=torch.float64))
    expected = 0.1 * 0.2175 * torch.tensor([-0.5675, -0.5808, -0.5836], dtype=torch.float64)
    torch.testing.assert_close(one[0], expected)
    both = lighting(torch.eye(3, dtype=torch.float64) * torch.tensor([0.1, -0.2, 0.3]))
    torch.testing.assert_close(
        both.sum(0, keepdim=True), lighting(torch.tensor([[0.1, -0.2, 0.3]]).double()), atol=1e-8,
        rtol=1e-6,
    )  # fmt: skip


def test_half_of_the_images_are_mirrored():
    ramp = torch.arange(16.0).expand(600, 3, 16, 16) / 16
    shown = PhotoPerExample(**DARK).draw(rng=stream(5))(ramp)
    mirrored = (shown[:, 0, 8, 0] > shown[:, 0, 8, -1]).float().mean()
    assert 0.43 < float(mirrored) < 0.57


def test_a_draw_gives_the_same_bits_again_and_another_draw_others():
    images = pixels(3).float()
    shown = PhotoPerExample().draw(rng=stream(6))
    assert torch.equal(shown(images), shown(images))
    assert not torch.equal(shown(images), PhotoPerExample().draw(rng=stream(7))(images))


def test_grey_images_are_jittered_alike():
    images = pixels(4)[:, :1].float()
    shown = PhotoPerExample(mean=(0.0,), std=(1.0,)).draw(rng=stream(8))(images)
    assert shown.shape == images.shape
    assert shown.dtype == images.dtype


def test_mean_and_deviation_belong_together():
    with pytest.raises(ConfigError, match="mean has 3 and std 1"):
        PhotoPerExample(std=(1.0,))
