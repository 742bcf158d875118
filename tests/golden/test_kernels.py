"""Fully connected kernels and ridge regression against neural-tangents and KIP's formula."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from condensery.kernels import FullyConnected, predict

DEPTHS = (1, 2, 3)


def test_kernels_are_those_of_neural_tangents_also_of_equal_images(each, golden):
    for variant, depth in each(product(["ntk", "nngp"], DEPTHS)):
        case = golden("kip_kernel")
        x, z = case["in.fc.x"], case["in.fc.z"]
        kernel = FullyConnected(depth=depth, variant=variant)
        for right, name in ((x, "xx"), (z, "xz")):
            expected = case[f"out.fc.depth{depth}.{variant}.{name}"]
            error = (kernel(x, right) - expected).abs().max()
            assert error <= 1e-11 * expected.abs().max()


def test_regression_and_its_gradients_are_the_released_ones(each, golden):
    for reg, depth in each(product(["reg", "reg_large"], DEPTHS)):
        case = golden("kip_kernel")
        support = case["in.krr.x_support"].requires_grad_()
        labels = case["in.krr.y_support"].requires_grad_()
        targets, ridge = case["in.krr.x_target"], float(case[f"in.krr.{reg}"])
        kernel = FullyConnected(depth=depth)
        found = predict(kernel(targets, support), kernel(support, support), labels, ridge=ridge)
        loss = 0.5 * (found - case["in.krr.y_target"]).square().mean()
        gradients = torch.autograd.grad(loss, (support, labels))
        out = f"out.krr.depth{depth}.{reg}"
        assert float(loss.detach()) == pytest.approx(float(case[f"{out}.loss"]), rel=1e-9)
        torch.testing.assert_close(found.detach(), case[f"{out}.pred"], rtol=1e-8, atol=1e-8)
        for name, gradient in zip(("x_support", "y_support"), gradients, strict=True):
            expected = case[f"{out}.grad_{name}"]
            assert (gradient - expected).abs().max() <= 1e-7 * expected.abs().max()
