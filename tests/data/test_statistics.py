"""Statistics are checked against NumPy on floats."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from condensery.data.statistics import measure
from condensery.rng import stream


def test_mean_and_deviation_are_those_of_the_float_pixels():
    images = (
        torch.randint(0, 256, (70, 3, 5, 6), generator=stream(0, "test"), dtype=torch.uint8)
        // torch.tensor([1, 2, 5], dtype=torch.uint8)[:, None, None]
    )
    floats = images.numpy().astype(np.float64) / 255
    found = measure(images)
    np.testing.assert_allclose(found.mean, floats.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(found.std, floats.std((0, 2, 3)), rtol=1e-12)


def test_a_constant_channel_gets_deviation_one():
    images = torch.full((3, 2, 4, 4), 7, dtype=torch.uint8)
    images[0, 1, 0, 0] = 8
    found = measure(images)
    assert found.std[0] == 1.0
    assert 0 < found.std[1] < 0.01
    assert found.mean[0] == pytest.approx(7 / 255)
