"""Kernel ridge regression: labels of images from the labels of a few others, in float64.

Knows nothing about the kernel itself.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from condensery.errors import ConfigError


def regularised(
    support: Float[Tensor, "support support"], *, ridge: float
) -> Float[Tensor, "support support"]:
    """A kernel matrix, symmetrised, plus ``ridge`` times its mean diagonal on the diagonal.

    Therefore ``ridge`` has no scale: a kernel times 10 gives the same predictions.
    """
    own = support.diagonal()
    return (support + support.T) / 2 + torch.diag_embed((ridge * own.mean()).expand_as(own))


def predict(
    cross: Float[Tensor, "target support"],
    support: Float[Tensor, "support support"],
    labels: Float[Tensor, "support class_"],
    *,
    ridge: float,
) -> Float[Tensor, "target class_"]:
    """``K_ts (K_ss + ridge tr(K_ss) / n I)^-1 y_s``, differentiable in all three.

    Args:
        cross: Kernel of the targets with the support.
        support: Kernel of the support with itself.
        labels: Of the support.
        ridge: See ``regularised``; above 0.

    Raises:
        ConfigError: If the matrix is not positive definite: the ridge is too small.
    """
    return cross @ torch.cholesky_solve(labels, _factor(support, ridge))


def label_solve(
    cross: Float[Tensor, "target support"],
    support: Float[Tensor, "support support"],
    targets: Float[Tensor, "target class_"],
    *,
    ridge: float,
) -> Float[Tensor, "support class_"]:
    """The labels of the support that predict those of the targets best: Label Solve.

    The least-squares solution ``y_s`` of ``K_ts (K_ss + ridge tr(K_ss) / n I)^-1 y_s = y_t``.

    Args:
        cross: Kernel of the targets with the support; at least as many targets.
        support: Kernel of the support with itself.
        targets: Labels of the targets.
        ridge: See ``regularised``; above 0.

    Source:
        Nguyen et al. 2021 (Label Solve). Differs: solved for ``(K_ss + ...)^-1 y_s`` first, which
        has the same minimum; where that is not unique, it is the shortest one that is taken.
    """
    weights = torch.linalg.lstsq(cross.cpu(), targets.cpu(), driver="gelsd").solution
    return regularised(support, ridge=ridge) @ weights.to(support)


def _factor(support: Tensor, ridge: float) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(regularised(support, ridge=ridge))
    if int(failed) and bool(torch.isfinite(support).all()):
        raise ConfigError(
            f"regularisation = {ridge}: the kernel of {len(support)} images with themselves is not "
            "positive definite, some of them are too much alike. Use a larger regularisation."
        )
    return factor
