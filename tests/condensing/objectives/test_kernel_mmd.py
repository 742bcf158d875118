"""The kernel discrepancy of M3D against sums over pairs written out."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from condensery.condensing.objectives import DistributionMatching, KernelMMD
from condensery.errors import ConfigError


def plain(synthetic, real, *, widths):
    """Every pair alone: kernels of five widths around the mean squared distance of all pairs."""
    both = [*synthetic, *real]

    def square(a, b):
        return float((a - b).square().sum())

    width = sum(square(a, b) for a, b in product(both, both)) / (len(both) ** 2 - len(both))

    def mean(one, other):
        ks = range(-(widths // 2), widths // 2 + 1)
        values = [math.exp(-square(a, b) / (width * 2.0**k)) for a, b, k in product(one, other, ks)]
        return sum(values) / (len(one) * len(other))

    return mean(synthetic, synthetic) - 2 * mean(synthetic, real) + mean(real, real)


def test_the_loss_of_every_set_is_the_published_one(each, tiny):
    for widths in each([1, 5]):
        found = tiny.bind(KernelMMD(widths=widths))(tiny.synthetic, tiny.groups)
        ours, theirs = tiny.features(tiny.synthetic), tiny.features(tiny.real)
        expected = [plain(ours[rows], theirs[real], widths=widths) for real, rows in tiny.sets]
        assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_sets_that_are_the_real_ones_have_no_distance_and_do_not_move(tiny):
    """Also where squared distances are rounded to just below zero."""
    from dataclasses import replace

    from condensery.types import nested

    real = tiny.real
    same = replace(real, rank=torch.tensor([0, 0, 1, 2, 1]))
    groups = nested(same, torch.tensor([[3, 3]]), all_classes=False)
    leaf = same.images.clone().requires_grad_()
    for objective in (KernelMMD(), DistributionMatching()):
        losses = tiny.bind(objective)(same.with_images(leaf), groups)
        assert losses.tolist() == pytest.approx([0, 0], abs=1e-12)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        assert gradient.abs().max() < 1e-9


def test_an_even_number_of_widths_has_no_middle_and_is_refused(each):
    for widths in each([0, 2]):
        with pytest.raises(ConfigError, match=rf"objective\.widths = {widths}"):
            KernelMMD(widths=widths)
