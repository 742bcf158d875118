"""Means over the examples of every group; for nested sets by one cumulative sum."""

from __future__ import annotations

import torch
from torch import Tensor

from condensery.placed import on
from condensery.types import Examples, Groups


def group_means(values: Tensor, examples: Examples, groups: Groups) -> Tensor:
    """The mean row of every group.

    All groups that are prefixes of a class need together as many additions as the largest of them.
    Other groups need as many additions as they have members.

    Args:
        values: ``[example, column]``; differentiable.
        examples: The examples of the rows; only classes and ranks are used.
        groups: Groups of these examples.

    Returns:
        ``[group, column]``.
    """
    if not groups.prefixes:
        share = on(values.device, groups.member.to(values.dtype))
        return (share @ values) / share.sum(dim=1, keepdim=True)
    classes, place = _in_order(examples)
    at, there = on(values.device, place.clamp(min=0)), on(values.device, (place >= 0)[:, :, None])
    sums = (values[at] * there).cumsum(dim=1)
    count = groups.member.sum(dim=1)
    row = torch.searchsorted(classes, groups.class_)
    row, last = on(values.device, row), on(values.device, count - 1)
    return sums[row, last] / on(values.device, count[:, None])


def _in_order(examples: Examples) -> tuple[Tensor, Tensor]:
    """The positions of the examples of every class, by rank.

    Returns:
        The classes, ascending ``[class_]``, and positions ``[class_, place]``. Positions after the
        last example of a class are -1.
    """
    classes, row, counts = examples.class_.unique(return_inverse=True, return_counts=True)
    by_rank = examples.rank.argsort(stable=True)
    order = by_rank[row[by_rank].argsort(stable=True)]
    place = torch.full((len(classes), int(counts.max())), -1, device=order.device)
    within = torch.arange(place.shape[1], device=order.device) < counts[:, None]
    return classes, place.masked_scatter(within, order)
