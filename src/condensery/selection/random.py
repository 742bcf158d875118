"""Random images: the baseline of all other selections and condensed sets."""

from __future__ import annotations

import torch
from torch import Tensor

from condensery.data import ImageData
from condensery.rng import stream
from condensery.selection.order import Orders, RuleOptions


def random_orders(data: ImageData, options: RuleOptions) -> Orders:
    """All images of every class in random order.

    A larger ``ipc`` with the same seed extends the choice.
    """
    orders: list[Tensor] = []
    for class_ in range(data.classes):
        own = data.of_class(class_)
        rng = stream(options.seed, "random selection", class_)
        orders.append(own[torch.randperm(len(own), generator=rng).to(own.device)])
    return orders
