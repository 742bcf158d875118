"""Distances between two families of gradients, one value for each group.

Each distance takes gradients by parameter, ``{name: [group, *shape]}``, for synthetic and for real
data, and returns ``[group]``. As in the released codes, they are sums and not means. All but
``whole_cosine`` are a sum over the distances of single parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from condensery.errors import ConfigError, nearest

Gradients = Mapping[str, Tensor]
Metric = Callable[[Gradients, Gradients], Tensor]

_EPSILON = 1e-6  # added to the product of norms, as in DC's released code
_TINY = 1e-30  # keeps the norm differentiable at zero, where its second derivative is NaN


def mse(synthetic: Tensor, real: Tensor) -> Tensor:
    """Sum of squared differences (IDC, MDC)."""
    return (synthetic - real).square().flatten(1).sum(dim=1)


def l1(synthetic: Tensor, real: Tensor) -> Tensor:
    """Sum of absolute differences (IDC on MNIST, Fashion-MNIST and ImageNet)."""
    return (synthetic - real).abs().flatten(1).sum(dim=1)


def cosine(synthetic: Tensor, real: Tensor) -> Tensor:
    """Sum over output rows of one minus the cosine; 0 for parameters with one dimension.

    Source:
        Zhao et al. 2021, *Dataset Condensation with Gradient Matching*, released distance.
        Differs: the norm is ``sqrt(sum + tiny)``, which is not 0 for a row of zeros.
    """
    if synthetic.ndim <= 2:  # [group, out]: a bias or the scale of a norm
        return synthetic.new_zeros(len(synthetic))
    x, y = synthetic.flatten(2), real.flatten(2)
    norms = [(v.square().sum(dim=2) + _TINY).sqrt() for v in (x, y)]
    return (1 - (x * y).sum(dim=2) / (norms[0] * norms[1] + _EPSILON)).sum(dim=1)


def whole_cosine(synthetic: Gradients, real: Gradients) -> Tensor:
    """One minus the cosine of all parameters as a single vector, biases included.

    Source:
        Zhao et al. 2021 (DC), the released alternative ``"cos"``. Differs: as ``cosine``.
    """
    products = (_inner(synthetic[name], real[name]) for name in synthetic)
    squares = (
        torch.stack([_inner(v, v) for v in gradients.values()]).sum(dim=0)
        for gradients in (synthetic, real)
    )
    x, y = ((square + _TINY).sqrt() for square in squares)
    return 1 - torch.stack(list(products)).sum(dim=0) / (x * y + _EPSILON)


def _inner(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).flatten(1).sum(dim=1)


def _summed(of_one: Callable[[Tensor, Tensor], Tensor]) -> Metric:
    """The sum over the distances of all parameters."""

    def total(synthetic: Gradients, real: Gradients) -> Tensor:
        return torch.stack([of_one(synthetic[name], real[name]) for name in synthetic]).sum(dim=0)

    return total


METRICS: Mapping[str, Metric] = {
    "mse": _summed(mse),
    "l1": _summed(l1),
    "cosine": _summed(cosine),
    "whole-cosine": whole_cosine,
}


def metric(name: str) -> Metric:
    """The distance with the name ``name``.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in METRICS:
        raise ConfigError(
            f"metric = {name!r} is unknown; known are {', '.join(METRICS)}.{nearest(name, METRICS)}"
        )
    return METRICS[name]
