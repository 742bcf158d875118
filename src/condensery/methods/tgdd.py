"""TGDD: trajectory-guided distribution matching (Ran et al., AAAI 2026, arXiv 2512.02469).

| algorithm line | part |
|---|---|
| experts trained on real data, parameters after every epoch | ``OnExperts`` |
| a random epoch s of a random expert, and one of s .. s + L - 1 | ``Staged(window=L)`` |
| squared distance of mean features under s | ``DistributionMatching`` |
| plus cross-entropy of the same augmented S under the later one | ``Calibrated(under="expert")`` |
| everything else | the parts of ``dance`` |

Presets: ``paper`` is the released setting; the others are shorter and ours (docs/methods/tgdd.md).
"""

from __future__ import annotations

from dataclasses import replace

from condensery.condensing.objectives import Calibrated
from condensery.condensing.recipe import Recipe
from condensery.condensing.schedules import Interpolated, Staged
from condensery.data import ImageData
from condensery.methods import dance
from condensery.methods.base import method


@method(
    "tgdd",
    paper="Ran et al., AAAI 2026, arXiv 2512.02469",
    summary="one size: mean features at stages of a training, and a class term a little later",
    protocol="dance",
)
def recipe(data: ImageData, *, ipc: int, preset: str) -> Recipe:
    """TGDD's recipe for ``data``: DANCE's under stages of a training, both terms in one update.

    Args:
        data: Real training images; the side chooses the published row.
        ipc: Images per class N, at least 1.
        preset: ``"smoke"``, ``"quick"``, ``"standard"`` or ``"paper"``.
    """
    base = dance.recipe(data, ipc=ipc, preset="paper")
    assert isinstance(base.schedule, Interpolated)
    published = replace(
        base,
        method="tgdd",
        preset=preset,
        schedule=Staged(epochs=base.schedule.epochs, training=base.schedule.training),
        objective=Calibrated(),
    )
    if preset == "paper":
        return published
    short = dance.shortened(published, dance.SHORT[preset])
    assert isinstance(short.schedule, Staged)
    return replace(short, schedule=replace(short.schedule, window=2))
