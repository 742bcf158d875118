"""The Gaussian kernel against its formula, pair by pair."""

from __future__ import annotations

import math

import pytest
import torch

from condensery.errors import ConfigError
from condensery.kernels import RBF
from condensery.rng import stream


def drawn(count: int, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 5, generator=stream(seed, "test"), dtype=torch.float64)


def test_it_is_its_formula():
    x, y = drawn(3), drawn(2, seed=1)
    found = RBF(bandwidth=0.7)(x, y)
    for i in range(3):
        for j in range(2):
            apart = float((x[i] - y[j]).square().mean())
            assert float(found[i, j]) == pytest.approx(math.exp(-apart / (2 * 0.49)), rel=1e-12)


def test_gradients_are_those_of_differences_also_of_an_image_with_itself():
    assert torch.autograd.gradcheck(RBF(), (drawn(3).requires_grad_(), drawn(2, seed=1)))
    assert torch.autograd.gradcheck(lambda x: RBF()(x, x), drawn(3).requires_grad_())


def test_the_median_is_that_of_all_pairs():
    x = drawn(4)
    pairs = sorted(float((x[i] - x[j]).square().mean().sqrt()) for i in range(4) for j in range(i))
    assert RBF.of_median(x).bandwidth == pytest.approx(pairs[2])  # the lower one of six


@pytest.mark.parametrize("images", [drawn(1), torch.zeros(3, 5)])
def test_without_different_images_there_is_no_median(images: torch.Tensor):
    with pytest.raises(ConfigError, match="bandwidth = 0"):
        RBF.of_median(images)
