"""The recursion against its definition as an expectation over Gaussian layers."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from condensery.errors import ConfigError
from condensery.kernels import FullyConnected
from condensery.rng import stream

VARIANTS = ("ntk", "nngp")


def drawn(count: int, *, seed: int = 0, entries: int = 5) -> Tensor:
    return torch.randn(count, entries, generator=stream(seed, "test"), dtype=torch.float64)


def expectation(covariance: Tensor) -> tuple[float, float]:
    """``E[relu(u) relu(v)]`` and ``P(u > 0, v > 0)`` of a Gaussian pair, summed on a grid."""
    angle = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000 * 2 * math.pi
    factor = torch.linalg.cholesky(covariance)
    u, v = factor @ torch.stack([angle.cos(), angle.sin()])  # on the unit circle
    # the radius of a standard Gaussian in the plane has E[r^2] = 2 and no say in the sign
    return float(2 * (u.relu() * v.relu()).mean()), float(((u > 0) & (v > 0)).double().mean())


def by_definition(x: Tensor, y: Tensor, depth: int) -> tuple[float, float]:
    """NNGP and NTK of one pair."""
    both = torch.stack([x, y])
    covariance = 2 * both @ both.T / len(x) + 0.01
    tangent = covariance
    for _ in range(depth):
        expected, active = torch.zeros(2, 2).double(), torch.zeros(2, 2).double()
        for i, j in product(range(2), range(2)):
            pair = covariance[[i, j]][:, [i, j]]
            if i == j:
                expected[i, j], active[i, j] = covariance[i, i] / 2, 0.5
            else:
                expected[i, j], active[i, j] = expectation(pair)
        covariance = 2 * expected + 0.01
        tangent = covariance + 2 * tangent * active
    return float(covariance[0, 1]), float(tangent[0, 1])


def test_the_kernels_are_expectations_over_gaussian_layers(each):
    for depth in each([0, 1, 3]):
        x, y = drawn(3), drawn(2, seed=1)
        nngp, ntk = (FullyConnected(depth=depth, variant=v)(x, y) for v in ("nngp", "ntk"))
        for i, j in product(range(3), range(2)):
            expected = by_definition(x[i], y[j], depth)
            assert (float(nngp[i, j]), float(ntk[i, j])) == pytest.approx(expected, rel=1e-4)


def test_depth_0_is_the_linear_kernel():
    x, y = drawn(3), drawn(2, seed=1)
    expected = 2 * x @ y.T / 5 + 0.01
    for variant in VARIANTS:
        torch.testing.assert_close(FullyConnected(depth=0, variant=variant)(x, y), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_image_with_itself_has_the_exact_value(variant: str):
    x = drawn(4, entries=3072)
    found = FullyConnected(depth=3, variant=variant)(x, x.clone())
    own = 2 * x.square().mean(dim=1) + 0.01
    tangent = own
    for _ in range(3):
        tangent = own + 0.01 + tangent
        own = own + 0.01
    expected = tangent if variant == "ntk" else own
    torch.testing.assert_close(found.diagonal(), expected, rtol=1e-13, atol=0)


def test_opposite_images_have_the_angle_pi():
    x = drawn(1)
    kernel = FullyConnected(depth=1, variant="nngp", bias=1e-300)
    assert float(kernel(x, -x)) < 1e-6 * float(kernel(x, x))


def test_gradients_are_those_of_differences(each):
    for depth, variant in each(product([1, 3], VARIANTS)):
        kernel = FullyConnected(depth=depth, variant=variant)
        x, y = drawn(3).requires_grad_(), drawn(2, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(kernel, (x, y))


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_of_images_with_themselves_are_those_of_differences(variant: str):
    kernel = FullyConnected(depth=2, variant=variant)
    assert torch.autograd.gradcheck(lambda x: kernel(x, x), drawn(4).requires_grad_())


def test_gradients_at_an_equal_image_are_those_of_differences_where_there_is_one():
    # The NTK has a cusp where two different images become equal: its central difference, and
    # the derivative taken, are those of the smooth part.
    x = drawn(3)
    kernel = FullyConnected(depth=2, variant="nngp")
    assert torch.autograd.gradcheck(lambda y: kernel(y, x), x.clone().requires_grad_())
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(FullyConnected(depth=2)(leaf, x).diagonal().sum(), leaf)
    steps = 1e-4 * torch.eye(5).double()  # smaller ones see the rounding of the angle
    ntk = FullyConnected(depth=2)
    for i in range(3):
        up, down = ntk(x[i] + steps, x[i][None])[:, 0], ntk(x[i] - steps, x[i][None])[:, 0]
        torch.testing.assert_close(gradient[i], (up - down) / 2e-4, rtol=1e-5, atol=1e-5)


def test_nearly_equal_images_have_finite_gradients():
    x = drawn(3)
    for distance in (1e-4, 1e-6, 1e-7, 1e-8, 1e-10, 0.0):
        leaf = (x + distance).requires_grad_()
        (gradient,) = torch.autograd.grad(FullyConnected(depth=3)(leaf, x).sum(), leaf)
        assert bool(gradient.isfinite().all())
        assert float(gradient.abs().max()) < 100


def test_zero_images_are_fine():
    zeros = torch.zeros(2, 5).requires_grad_()
    kernel = FullyConnected()(zeros, zeros)
    (gradient,) = torch.autograd.grad(kernel.sum(), zeros)
    assert bool(kernel.isfinite().all() & gradient.isfinite().all())


def test_images_are_flattened_and_taken_in_float64():
    x = drawn(2, entries=12).float()
    found = FullyConnected()(x.view(2, 3, 2, 2), x.view(2, 3, 2, 2))
    assert found.dtype == torch.float64
    assert torch.equal(found, FullyConnected()(x, x))


def test_what_makes_no_kernel_is_refused(each):
    for choice, said in each(
        [
            ({"depth": -1}, "kernel.depth = -1"),
            ({"variant": "ntp"}, "kernel.variant = 'ntp'"),
            ({"bias": 0.0}, "kernel.bias = 0.0"),
            ({"weight": float("inf")}, "kernel.weight = inf"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            FullyConnected(**choice)
