"""Each operation against a loop over pixels written from its formula, in float64."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from condensery.augment import operations
from condensery.rng import stream

SIDE = (7, 10)  # not square, so that rows and columns cannot be mixed up


@pytest.fixture
def images():
    rng = stream(0, "operations")
    return torch.randn(4, 3, *SIDE, dtype=torch.float64, generator=rng)


def uniform(*path, count=4):
    return torch.rand(count, dtype=torch.float64, generator=stream(1, *path))


def pixels(images):
    """All positions (image, channel, row, column)."""
    count, channels, height, width = images.shape
    return (
        (n, c, i, j)
        for n in range(count)
        for c in range(channels)
        for i in range(height)
        for j in range(width)
    )


def bilinear(image, x, y):
    """The value at coordinates in [-1, 1] (outer edges of the image), zero outside."""
    height, width = image.shape
    column, row = ((x + 1) * width - 1) / 2, ((y + 1) * height - 1) / 2
    value = 0.0
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < height and 0 <= j < width:
                value += float(image[i, j]) * (1 - abs(row - i)) * (1 - abs(column - j))
    return value


def test_brightness_adds_its_offset(images):
    offset = uniform("b") - 0.5
    got = operations.brightness(images, offset=offset)
    for n, c, i, j in pixels(images):
        assert abs(got[n, c, i, j] - (images[n, c, i, j] + offset[n])) < 1e-12


def test_saturation_stretches_around_the_grey_of_the_pixel(images):
    factor = 2 * uniform("s")
    got = operations.saturation(images, factor=factor)
    for n, c, i, j in pixels(images):
        grey = sum(images[n, k, i, j] for k in range(3)) / 3
        assert abs(got[n, c, i, j] - (grey + factor[n] * (images[n, c, i, j] - grey))) < 1e-12


def test_saturation_leaves_images_of_one_channel_alone(images):
    grey = images[:, :1]
    got = operations.saturation(grey, factor=2 * uniform("s"))
    torch.testing.assert_close(got, grey, rtol=0, atol=1e-14)


def test_contrast_stretches_around_the_mean_of_the_image(images):
    factor = uniform("c") + 0.5
    got = operations.contrast(images, factor=factor)
    for n, c, i, j in pixels(images):
        mean = float(images[n].sum()) / images[n].numel()
        assert abs(got[n, c, i, j] - (mean + factor[n] * (images[n, c, i, j] - mean))) < 1e-12


def test_color_is_brightness_then_saturation_then_contrast(each, images):
    for channels, draws in each(product([1, 3], [1, 4])):
        shown = images[:, :channels]
        offset, factor, stretch = (uniform(name, count=draws) for name in "xyz")
        got = operations.color(shown, offset=offset, saturation=factor, contrast=stretch)
        slow = operations.brightness(shown, offset=offset)
        slow = operations.contrast(operations.saturation(slow, factor=factor), factor=stretch)
        torch.testing.assert_close(got, slow, rtol=0, atol=1e-13)


def test_flip_mirrors_columns_where_asked(images):
    flipped = torch.tensor([True, False, False, True])
    got = operations.flip(images, flipped=flipped)
    for n, c, i, j in pixels(images):
        column = SIDE[1] - 1 - j if flipped[n] else j
        assert got[n, c, i, j] == images[n, c, i, column]


def test_crop_shows_the_shifted_pixel_and_zero_outside(images):
    rows, columns = torch.tensor([0, 2, -3, 7]), torch.tensor([1, -2, 3, 0])
    got = operations.crop(images, rows=rows, columns=columns)
    for n, c, i, j in pixels(images):
        row, column = i + int(rows[n]), j + int(columns[n])
        inside = 0 <= row < SIDE[0] and 0 <= column < SIDE[1]
        assert got[n, c, i, j] == (images[n, c, row, column] if inside else 0)


def test_cutout_zeroes_a_box_of_half_the_side_around_its_centre(each):
    for side in each([(7, 10), (8, 8), (5, 9)]):
        images = torch.ones(1, 2, *side, dtype=torch.float64)
        for row in range(side[0] + 1):
            for column in range(side[1] + 1):
                centre = {"rows": torch.tensor([row]), "columns": torch.tensor([column])}
                got = operations.cutout(images, **centre)
                for n, c, i, j in pixels(images):
                    box = True
                    for at, middle, length in ((i, row, side[0]), (j, column, side[1])):
                        half = math.floor(0.5 * length + 0.5)
                        box = box and middle - half // 2 <= at < middle - half // 2 + half
                    assert got[n, c, i, j] == (0 if box else 1)


def test_scale_looks_at_multiplied_coordinates(images):
    x, y = 0.8 + 0.4 * uniform("x"), 0.8 + 0.4 * uniform("y")
    got = operations.scale(images, x=x, y=y)
    for n, c, i, j in pixels(images):
        at = ((2 * j + 1) / SIDE[1] - 1, (2 * i + 1) / SIDE[0] - 1)
        value = bilinear(images[n, c], float(x[n]) * at[0], float(y[n]) * at[1])
        assert abs(got[n, c, i, j] - value) < 1e-12


def test_a_scale_below_one_enlarges():
    images = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    images[..., 3:6, 3:6] = 1
    half = torch.tensor([0.5], dtype=torch.float64)
    assert operations.scale(images, x=half, y=half).sum() > 2 * images.sum()


def test_rotate_looks_at_turned_coordinates(images):
    degrees = 30 * uniform("r") - 15
    got = operations.rotate(images, degrees=degrees)
    for n, c, i, j in pixels(images):
        at = ((2 * j + 1) / SIDE[1] - 1, (2 * i + 1) / SIDE[0] - 1)
        cos, sin = (f(math.radians(float(degrees[n]))) for f in (math.cos, math.sin))
        value = bilinear(images[n, c], cos * at[0] - sin * at[1], sin * at[0] + cos * at[1])
        assert abs(got[n, c, i, j] - value) < 1e-12


SHARED = {
    "brightness": {"offset": torch.tensor([0.3])},
    "saturation": {"factor": torch.tensor([0.3])},
    "contrast": {"factor": torch.tensor([1.3])},
    "color": {name: torch.tensor([0.4]) for name in ("offset", "saturation", "contrast")},
    "flip": {"flipped": torch.tensor([True])},
    "crop": {"rows": torch.tensor([2]), "columns": torch.tensor([-1])},
    "cutout": {"rows": torch.tensor([2]), "columns": torch.tensor([9])},
    "scale": {"x": torch.tensor([1.1]), "y": torch.tensor([0.9])},
    "rotate": {"degrees": torch.tensor([-12.0])},
}


def test_one_shared_parameter_equals_the_same_parameter_for_every_image(each, images):
    for name in each(SHARED):
        operation = getattr(operations, name)
        own = {key: value.expand(len(images)) for key, value in SHARED[name].items()}
        torch.testing.assert_close(
            operation(images, **SHARED[name]), operation(images, **own), rtol=0, atol=1e-14
        )


def test_gradients_with_respect_to_the_images_are_exact(each):
    for draws, name in each(product([1, 2], SHARED)):
        images = torch.randn(2, 2, 4, 5, dtype=torch.float64, generator=stream(3))
        given = {key: value.expand(draws) for key, value in SHARED[name].items()}
        assert torch.autograd.gradcheck(
            lambda x, name=name, given=given: getattr(operations, name)(x, **given),
            images.requires_grad_(),
        )


def test_dtype_is_kept_and_the_argument_is_not_changed(each, images):
    for name, dtype in each(product(SHARED, [torch.float32, torch.float64])):
        given = images.to(dtype)
        before = given.clone()
        assert getattr(operations, name)(given, **SHARED[name]).dtype == dtype
        assert torch.equal(given, before)


@pytest.mark.parametrize("name", ["scale", "rotate"])
def test_half_precision_images_are_sampled_in_single_precision(images, name):
    half = images.to(torch.bfloat16)
    operation = getattr(operations, name)
    got = operation(half, **SHARED[name])
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, operation(half.float(), **SHARED[name]).to(torch.bfloat16))
