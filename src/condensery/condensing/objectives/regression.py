"""The loss of kernel ridge regression for every set, from one pair of kernel matrices.

A smaller set is a block of the same matrices. Knows nothing about the kernel itself.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from condensery.errors import ConfigError
from condensery.kernels import predict
from condensery.placed import on, positions
from condensery.types import Groups


def check_ridge(regularisation: float) -> None:
    """Refuse a ridge that is not a finite number above 0."""
    if not 0 < regularisation < float("inf"):
        raise ConfigError(
            f"regularisation = {regularisation}, but a regression needs a finite one above 0 "
            "(KIP and FRePo: 1e-6)."
        )


def centred(labels: Tensor, classes: int) -> Float[Tensor, "example class_"]:
    """Class probabilities minus those of a uniform guess, float64.

    Args:
        labels: Class index ``[example]`` or learned labels ``[example, class_]``.
        classes: Number of classes.
    """
    if labels.ndim == 1:
        labels = torch.nn.functional.one_hot(labels, classes)
    return labels.to(torch.float64) - 1 / classes


def losses(
    cross: Float[Tensor, "target example"],
    support: Float[Tensor, "example example"],
    labels: Float[Tensor, "example class_"],
    wanted: Float[Tensor, "target class_"],
    groups: Groups,
    *,
    ridge: float,
) -> Float[Tensor, "group"]:
    """Half the mean squared error, over targets and classes, of the prediction of each group.

    Args:
        cross: Kernel of the targets with all examples.
        support: Kernel of all examples with themselves.
        labels: Centred labels of the examples.
        wanted: Centred labels of the targets.
        groups: Groups of the examples.
        ridge: See ``kernels.regularised``; above 0.
    """
    found: list[Tensor] = []
    for member in groups.member:
        own = on(cross.device, positions(member))
        said = predict(cross[:, own], support[own][:, own], labels[own], ridge=ridge)
        found.append(0.5 * (said - wanted).square().mean())
    return torch.stack(found)
