"""MDC: multisize dataset condensation (He, Xiao, Zhou, Tsang, ICLR 2024, arXiv 2403.06075).

| Algorithm 1 | part |
|---|---|
| base loss D(S, B; theta), network on real batches, augmentation, update | the parts of ``idc`` |
| subset loss D(S_n*, B; theta), same network, batch, draw | a second set of its sizes |
| feature distance of every size | ``MostLearnable.probe``, a ``DistributionMatching`` |
| choice of n* after every period of iterations | ``MostLearnable.close`` |
| freezing of the previous subset | ``MostLearnable.frozen`` |

The released MDC code matches squared errors on every data set, also if the learning rate of IDC was
chosen for the l1 distance; ``paper`` does the same. Three defaults are ours, and each is an option:
sizes are nested *stored images* (``parameterization.order``), frozen images keep their bits and
follow the rule of the paper (``size_policy.freeze``), and distances are not rounded
(``size_policy.decimals``).
"""

from __future__ import annotations

from dataclasses import replace

from condensery.condensing.objectives import GradientMatching
from condensery.condensing.recipe import Recipe
from condensery.condensing.sizes import MostLearnable, period_of
from condensery.data import ImageData
from condensery.methods import idc
from condensery.methods.base import method


@method(
    "mdc",
    paper="He et al., ICLR 2024, arXiv 2403.06075",
    summary="multisize: the full set and its most learnable subset, gradient matching",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """The recipe of MDC for ``data``: that of IDC with squared errors and the subset loss.

    Args:
        data: Real training images.
        ipc: Images per class N, at least 1; every size up to N is made.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    base = idc.recipe(data, ipc=ipc, preset=preset)
    published = preset == "paper" and base.network == "resnetap10"
    period = 50 if published else period_of(base.iterations)
    return replace(
        base,
        method="mdc",
        objective=GradientMatching(metric="mse"),
        size_policy=MostLearnable(period=period),
    )
