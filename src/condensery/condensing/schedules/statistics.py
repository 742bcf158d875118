"""Batch norm with the fixed statistics of real images, so that it does not mix examples.

For schedules whose networks are trained on the synthetic set, which is too small for statistics.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condensery.condensing.schedules.base import RunContext
from condensery.data import ImageData

_FOR_STATISTICS = 16
"""Real images per class from which the statistics of batch norm are computed."""


@torch.no_grad()
def fix_statistics(network: nn.Module, run: RunContext, *, rng: torch.Generator) -> None:
    """Fix the statistics of batch norm to those of real images, so that it mixes no examples."""
    norms = [
        m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of this batch alone
    images = run.data.normalise(_some_of_each(run.data, rng))
    network.train()(images.to(run.device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _some_of_each(data: ImageData, rng: torch.Generator) -> Tensor:
    own = [data.of_class(c) for c in range(data.classes)]
    some = [index[torch.randperm(len(index), generator=rng)[:_FOR_STATISTICS]] for index in own]
    return data.pixels(torch.cat(some))
