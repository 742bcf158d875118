"""Means of nested sets by one cumulative sum, against the matrix of members."""

from __future__ import annotations

from dataclasses import replace

import torch

from condensery.condensing.objectives.group_means import group_means
from condensery.rng import stream
from condensery.types import Examples, nested


def test_a_cumulative_sum_gives_the_means_and_gradients_of_the_matrix_of_members(each):
    for held, factor, dtype, tolerance in each(
        [
            ((4, 4, 4), 1, torch.float64, 1e-12),
            ((4, 1, 3), 4, torch.float64, 1e-12),
            ((50, 50, 7), 4, torch.float32, 1e-5),
        ]
    ):
        rng = stream(0, "means", *held)
        class_ = torch.cat([torch.full((count * factor,), c) for c, count in enumerate(held)])
        rank = torch.cat([torch.arange(count).repeat_interleave(factor) for count in held])
        order = torch.randperm(len(class_), generator=rng)
        images = torch.zeros(len(class_), 1, 1, 1)
        examples = Examples(images=images, labels=class_, class_=class_, rank=rank).rows(order)
        sizes = torch.arange(max(held), 0, -1)[:, None].expand(-1, len(held))
        groups = nested(examples, sizes, all_classes=False)
        assert groups.prefixes
        values = torch.rand(len(class_), 6, generator=rng, dtype=dtype).requires_grad_()
        weight = torch.rand(len(groups), 6, generator=rng, dtype=dtype)
        found, dense = (
            group_means(values, examples, replace(groups, prefixes=known))
            for known in (True, False)
        )
        assert torch.allclose(found, dense, rtol=tolerance, atol=tolerance)
        a, b = (torch.autograd.grad((m * weight).sum(), values)[0] for m in (found, dense))
        assert torch.allclose(a, b, rtol=tolerance, atol=tolerance)
        # some of the groups, over some of the examples
        rows = torch.randperm(len(groups), generator=rng)[:3]
        members = groups.member[rows].any(dim=0)
        part = group_means(values[members], examples.rows(members), groups.rows(rows).only(members))
        assert torch.allclose(part, dense[rows], rtol=tolerance, atol=tolerance)
